"""What holds for some topics only: buckets, compression, stride, and what leaves the robot."""

import asyncio
from dataclasses import replace
import signal
import time

from rclpy.serialization import serialize_message
from std_msgs.msg import String, UInt8MultiArray

from twinsight_store.connection import connect, URL_VARIABLE
from twinsight_store.errors import NothingMatchedError
from twinsight_store.layout import CDR_ZSTD
from twinsight_store.read import read
from twinsight_store.record_query import fetch
from twinsight_store.selection import Selection
from twinsight_tools import reductstore

FILE = """
/**:
  ros__parameters:
    robot_id: robot_05
    mission_id: mission_42
    topics: {{include: ['/camera', '/scan', '/state']}}
    store: {{bucket: {bucket}}}
    {more}
"""


def heads(settings, entry):
    async def ask():
        async with connect(settings) as connection:
            return await fetch(connection, [entry], head=True)

    return asyncio.run(ask())


def test_streams_go_to_their_buckets_compressed_and_thinned_and_are_read_as_one(
    ros, bench, store_settings, tmp_path
):
    video = f'{store_settings.bucket}-video'
    file = tmp_path / 'recorder.yaml'
    file.write_text(FILE.format(bucket=store_settings.bucket, more=f"""
    buckets: {{{video}: {{quota: 50MB}}}}
    streams:
      camera: {{topics: [/camera], sensor_type: camera, bucket: {video}, compression: zstd}}
      scan: {{topics: [/scan], stride: 3}}
"""))
    camera = bench.publisher('/camera', UInt8MultiArray)
    scan = bench.publisher('/scan', String)
    recorder = ros.start(
        'twinsight_recorder', 'recorder', '--ros-args', '--params-file', str(file),
        **{URL_VARIABLE: store_settings.url},
    )
    bench.wait_for_subscriber(camera, scan)
    images = [UInt8MultiArray(data=bytes([number]) * 200_000) for number in range(10)]
    for number, image in enumerate(images):
        camera.publish(image)
        scan.publish(String(data=str(number)))
        time.sleep(0.02)
    for name in ('/camera', '/scan'):
        bench.wait_until_received(name, 10)
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()

    in_video = replace(store_settings, bucket=video)
    records = heads(in_video, 'robot_05/camera')
    assert [record.content_type for record in records] == [CDR_ZSTD] * 10
    both = replace(store_settings, more_buckets=(video,))
    messages = list(read(Selection(robots=('robot_05',), missions=('mission_42',)), both))
    of = {name: [m for m in messages if m.channel.topic == name] for name in ('/camera', '/scan')}
    expected = [serialize_message(image) for image in images]
    assert [m.data[:len(e)] for m, e in zip(of['/camera'], expected, strict=True)] == expected
    assert [m.sequence for m in of['/scan']] == [1, 4, 7, 10]
    assert [m.receive_ns for m in messages] == sorted(m.receive_ns for m in messages)
    [row] = [line for line in recorder.text().splitlines() if line.startswith('│ /scan ')]
    received, kept, lost, dropped, refused, limited, *_ = map(int, row.split('│')[2:-2])
    assert (received, kept, lost, dropped, refused, limited) == (10, 4, 0, 0, 0, 6)


def test_a_bucket_that_nobody_named_is_refused_with_the_known_ones(ros, store_settings, tmp_path):
    file = tmp_path / 'recorder.yaml'
    file.write_text(FILE.format(bucket='main', more="""
    buckets: {video: {quota: 50MB}}
    streams: {camera: {topics: [/camera], bucket: vidoe}}
"""))
    recorder = ros.start(
        'twinsight_recorder', 'recorder', '--ros-args', '--params-file', str(file),
        **{URL_VARIABLE: store_settings.url},
    )
    assert recorder.end(20) == 2
    [line] = recorder.text().splitlines()
    assert "streams.camera.bucket 'vidoe'" in line and 'main, video' in line


def test_only_chosen_data_leaves_the_robot_also_when_the_central_store_was_away(
    ros, bench, store_settings, reduct_server, reduct_binary, tmp_path
):
    """The recorder starts while the central store is away; /scan stays on the robot."""
    with reductstore.running(reduct_binary, tmp_path / 'central') as central:
        central.stop()
        file = tmp_path / 'recorder.yaml'
        file.write_text(FILE.format(bucket=store_settings.bucket, more=f"""
    labels: {{site: hall_1}}
    replication:
      central: {{url: '{central.url}', bucket: fleet, topics: [/state], labels: {{site: hall_1}}}}
"""))
        state, scan = bench.publisher('/state', String), bench.publisher('/scan', String)
        edge = replace(store_settings, url=reduct_server.url)
        recorder = ros.start(
            'twinsight_recorder', 'recorder', '--ros-args', '--params-file', str(file),
            **{URL_VARIABLE: edge.url},
        )
        bench.wait_for_subscriber(state, scan)
        for number in range(50):
            state.publish(String(data=str(number)))
            scan.publish(String(data=str(number)))
            time.sleep(0.01)
        for name in ('/state', '/scan'):
            bench.wait_until_received(name, 50)
        assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
        assert len(list(read(Selection(), edge))) == 100
        central.start()
        fleet = replace(store_settings, url=central.url, bucket='fleet')
        arrived = wait_for_messages(fleet, 50)
        assert [m.channel.topic for m in arrived] == ['/state'] * 50
        assert [m.sequence for m in arrived] == list(range(1, 51))
        assert arrived[0].channel.type_name == 'std_msgs/msg/String'


def wait_for_messages(settings, count, timeout_s=60.0):
    end = time.monotonic() + timeout_s
    while True:
        try:
            messages = list(read(Selection(), settings))
        except NothingMatchedError:
            messages = []
        if len(messages) >= count:
            return messages
        assert time.monotonic() < end, f'{len(messages)} of {count} messages arrived'
        time.sleep(0.2)
