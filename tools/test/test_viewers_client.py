"""The viewer without a window, against a small server of the Foxglove SDK."""

from __future__ import annotations

from collections.abc import Iterator
import hashlib

import foxglove
from foxglove import Capability, Channel, Context, Schema
from foxglove.websocket import (
    ConnectionGraph,
    MessageSchema,
    Parameter,
    PlaybackState,
    PlaybackStatus,
    ServerListener,
    Service,
    ServiceSchema,
)
import pytest
from pytest_viewers import Connect
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import LaserScan
from std_msgs.msg import String, UInt8MultiArray
from std_srvs.srv import SetBool
from twinsight_viewers.client import WEBSOCKET_V1
from twinsight_viewers.program import ViewerError

from twinsight_store.message_definition import definition

STAMP_NS = 1_700_000_000_123_456_789
BOOL = 'bool data'
RESULT = 'bool success\nstring message'


class Server(ServerListener):
    """A server of everything that the protocol has; it notes what viewers send."""

    def __init__(self) -> None:
        self.context = Context()
        self.published: list[bytes] = []
        self.parameters = {'speed': 1.5}
        self.server = foxglove.start_server(
            name='small', port=0, context=self.context, server_listener=self,
            capabilities=[
                Capability.ClientPublish, Capability.Parameters, Capability.ConnectionGraph,
                Capability.Time, Capability.Services,
            ],
            supported_encodings=['cdr'], services=[self.service()],
            asset_handler=lambda uri: b'mesh' if uri == 'package://robot/mesh.stl' else None,
            playback_time_range=(STAMP_NS, STAMP_NS + 10),
        )  # fmt: skip
        self.url = f'ws://127.0.0.1:{self.server.port}'

    def channel(self, topic: str, type_name: str) -> Channel:
        encoding, text = definition(type_name)
        schema = Schema(name=type_name, encoding=encoding, data=text)
        return Channel(topic, message_encoding='cdr', schema=schema, context=self.context)

    def service(self) -> Service:
        def side(name: str, text: str) -> MessageSchema:
            schema = Schema(name=name, encoding='ros2msg', data=text.encode())
            return MessageSchema(encoding='cdr', schema=schema)

        def answer(request: foxglove.ServiceRequest) -> bytes:
            wanted = deserialize_message(request.payload, SetBool.Request).data
            if not wanted:
                raise ValueError('never')
            return serialize_message(SetBool.Response(success=True, message='ümlaut'))

        kind = ServiceSchema(
            'std_srvs/srv/SetBool', request=side('std_srvs/srv/SetBool_Request', BOOL),
            response=side('std_srvs/srv/SetBool_Response', RESULT),
        )  # fmt: skip
        return Service('/light', schema=kind, handler=answer)

    def on_message_data(self, client: object, client_channel_id: int, data: bytes) -> None:
        self.published.append(data)

    def on_get_parameters(self, client, param_names, request_id):  # type: ignore[no-untyped-def]
        return [Parameter(name, value=value) for name, value in self.parameters.items()
                if not param_names or name in param_names]

    def on_set_parameters(self, client, parameters, request_id):  # type: ignore[no-untyped-def]
        self.parameters.update({item.name: item.get_value() for item in parameters})
        return parameters

    def on_playback_control_request(self, request):  # type: ignore[no-untyped-def]
        return PlaybackState(
            status=PlaybackStatus.Playing, current_time=request.seek_time or STAMP_NS,
            playback_speed=request.playback_speed, did_seek=request.seek_time is not None,
            request_id=request.request_id,
        )  # fmt: skip


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.server.stop()


def laser_scan() -> LaserScan:
    scan = LaserScan(angle_min=-1.5, ranges=[0.1, float('inf'), float('nan')])
    scan.header.stamp.sec, scan.header.stamp.nanosec = divmod(STAMP_NS, 10**9)
    scan.header.frame_id = 'laser'
    return scan


def test_every_message_comes_decoded_as_it_was_sent(node_viewer: Connect, server: Server) -> None:
    scans = server.channel('/scan', 'sensor_msgs/msg/LaserScan')
    blobs = server.channel('/blob', 'std_msgs/msg/UInt8MultiArray')
    viewer = node_viewer(server.url)
    viewer.wait_for_channels('/scan', '/blob')
    viewer.subscribe('/scan')
    viewer.subscribe('/b.*', fields=False)
    viewer.wait_for(lambda: scans.has_sinks() and blobs.has_sinks())
    data = serialize_message(laser_scan())
    blob = serialize_message(UInt8MultiArray(data=bytes(1000)))
    for number in range(100):
        scans.log(data, log_time=STAMP_NS + number)
    blobs.log(blob, log_time=STAMP_NS)

    messages = viewer.wait_for_messages('/scan', 100)
    assert [message.log_ns - STAMP_NS for message in messages] == list(range(100))
    first = messages[0]
    assert (first.size, first.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert first.fields['header'] == {
        'stamp': {'sec': 1_700_000_000, 'nanosec': 123_456_789}, 'frame_id': 'laser'
    }  # fmt: skip
    assert str(first.fields['ranges']) == '[0.10000000149011612, inf, nan]'
    (big,) = viewer.wait_for_messages('/blob')
    assert (big.size, big.fields) == (len(blob), None)
    assert viewer.errors == []


def test_topics_come_and_go(node_viewer: Connect, server: Server) -> None:
    viewer = node_viewer(server.url)
    viewer.wait_open()
    viewer.subscribe('/state')
    state = server.channel('/state', 'std_msgs/msg/String')
    viewer.wait_for(state.has_sinks)
    state.log(serialize_message(String(data='IDLE')))
    assert viewer.wait_for_messages('/state')[0].fields == {'data': 'IDLE'}
    viewer.unsubscribe('/state')
    viewer.wait_for(lambda: not state.has_sinks())
    state.close()
    viewer.wait_for(lambda: '/state' not in viewer.channels)


def test_a_schema_that_does_not_fit_is_told_and_ends_nothing(
    node_viewer: Connect, server: Server
) -> None:
    text = server.channel('/text', 'std_msgs/msg/String')
    viewer = node_viewer(server.url)
    viewer.subscribe('/text')
    viewer.wait_for(text.has_sinks)
    text.log(b'\0\1\0\0\xff\0\0\0no text of 255 bytes')
    text.log(serialize_message(String(data='text')))
    broken, whole = viewer.wait_for_messages('/text', 2)
    assert (broken.fields, whole.fields) == (None, {'data': 'text'})
    assert [error.split(':')[0] for error in viewer.errors] == ['/text']


def test_a_viewer_asks_and_the_server_answers(node_viewer: Connect, server: Server) -> None:
    viewer = node_viewer(server.url)
    viewer.wait_open()
    viewer.wait_for(lambda: '/light' in viewer.services, 'service')
    assert viewer.call('/light', {'data': True}) == {'success': True, 'message': 'ümlaut'}
    with pytest.raises(ViewerError, match='call: .*never'):
        viewer.call('/light', {'data': False})

    assert viewer.get_parameters() == [{'name': 'speed', 'type': 'float64', 'value': 1.5}]
    changed = {'name': 'speed', 'type': 'float64', 'value': 2.5}
    assert viewer.set_parameters([changed]) == [changed]
    assert server.parameters == {'speed': 2.5}

    assert viewer.fetch_asset('package://robot/mesh.stl') == b'mesh'
    with pytest.raises(ViewerError, match='fetchAsset: '):
        viewer.fetch_asset('package://robot/secret')

    viewer.subscribe_graph()
    graph = ConnectionGraph()
    graph.set_published_topic('/scan', ['/driver'])
    server.server.publish_connection_graph(graph)
    published = {'name': '/scan', 'publisherIds': ['/driver']}
    viewer.wait_for(
        lambda: [update for update in viewer.graph if published in update['publishedTopics']]
    )

    server.server.broadcast_time(STAMP_NS)
    assert viewer.wait_for(lambda: viewer.times_ns, 'time') == [STAMP_NS]


def test_a_viewer_publishes(node_viewer: Connect, server: Server) -> None:
    server.channel('/scan', 'sensor_msgs/msg/LaserScan')
    viewer = node_viewer(server.url)
    viewer.wait_for_channels('/scan')
    fields = {'angle_min': -1.5, 'ranges': [0.1, float('inf')]}
    viewer.publish('/fake', 'sensor_msgs/msg/LaserScan', fields)
    viewer.publish('/note', 'std_msgs/msg/String', {'data': 'go'}, schema='string data')
    viewer.wait_for(lambda: len(server.published) == 2, 'messages')
    scan = deserialize_message(server.published[0], LaserScan)
    assert (scan.angle_min, str(list(scan.ranges))) == (-1.5, '[0.10000000149011612, inf]')
    assert deserialize_message(server.published[1], String).data == 'go'
    with pytest.raises(ViewerError, match='no channel has the type nav_msgs/msg/Path'):
        viewer.publish('/plan', 'nav_msgs/msg/Path', {})


def test_a_viewer_controls_the_playback(node_viewer: Connect, server: Server) -> None:
    viewer = node_viewer(server.url)
    viewer.wait_open()
    assert viewer.server_info['dataStartTime'] == {'sec': 1_700_000_000, 'nanosec': 123_456_789}
    state = viewer.playback('play', speed=0.5, seek_ns=STAMP_NS + 7)
    assert (state['status'], state['currentNs'], state['speed'], state['didSeek']) == (
        'playing', STAMP_NS + 7, 0.5, True
    )  # fmt: skip
    assert viewer.playback('pause')['didSeek'] is False


def test_a_refused_subprotocol_is_told(node_viewer: Connect, server: Server) -> None:
    viewer = node_viewer(server.url, subprotocols=(WEBSOCKET_V1,))
    with pytest.raises(AssertionError, match='closed'):
        viewer.wait_open()
    both = node_viewer(server.url, subprotocols=(WEBSOCKET_V1, 'foxglove.sdk.v1'))
    both.wait_open()
    assert both.subprotocol == 'foxglove.sdk.v1'


def test_the_end_of_the_server_is_seen(node_viewer: Connect, server: Server) -> None:
    viewer = node_viewer(server.url)
    viewer.wait_open()
    server.server.stop()
    viewer.wait_for(lambda: viewer.closed, 'end')
