"""Viewers that are slow, broken or many, through a real front: none harms the others."""

import os
import socket
import ssl
import struct
import subprocess
import time
from urllib.parse import urlsplit

import pytest
from pytest_foxglove import NeverReads
from pytest_ros import wait_until
from websockets.exceptions import InvalidStatus

MEGABYTE = 1_000_000
HEAD = 13  # bytes of a frame before the message


def numbered(size, number):
    return struct.pack('<I', number) + bytes(size - 4)


def numbers(messages):
    return [struct.unpack_from('<I', each.data)[0] for each in messages]


def has(viewer, number):
    return all(numbers(viewer.of(topic))[-1:] == [number] for topic in ('/camera', '/odom'))


def lost_of(fronted):
    """Return what the one viewer lost that lost anything."""
    every = [each.losses.by_topic() for each in fronted.front.viewers]
    lost = [each for each in every if each]
    assert len(lost) <= 1
    return lost[0] if lost else {}


def resident_bytes():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGESIZE')


def test_a_viewer_that_reads_nothing_costs_its_limit_and_the_others_nothing(start_front):
    fronted = start_front(send_buffer_limit=5 * MEGABYTE)
    camera, odometry = fronted.channel('/camera'), fronted.channel('/odom')
    stalled = NeverReads(fronted.url, '/camera', '/odom')
    others = [fronted.viewer(), fronted.viewer()]
    for each in others:
        each.subscribe('/camera', '/odom')
    wait_until(lambda: fronted.subscriptions.count == 6)
    before = most = 0

    for number in range(300):
        camera.log(numbered(MEGABYTE, number))
        odometry.log(numbered(100, number))
        wait_until(lambda each=number: all(has(viewer, each) for viewer in others))
        for each in others:  # what they have is not kept: this process' memory is looked at
            each.got[:] = [m._replace(data=m.data[:4]) for m in each.got]
        if number == 20:  # what threads and libraries take once is there, and the limit is full
            before = resident_bytes()
        most = max(most, resident_bytes())

    for each in others:
        assert numbers(each.of('/camera')) == list(range(300))
        assert numbers(each.of('/odom')) == list(range(300))
    assert most - before < 50 * MEGABYTE  # 280 MB went by
    wait_until(lambda: sum(each.messages for each in lost_of(fronted).values()) > 270)
    lost = lost_of(fronted)
    assert set(lost) == {'/camera'}
    assert 270 < lost['/camera'].messages < 300
    stalled.close()


def test_after_a_stall_a_viewer_gets_what_is_new_and_is_told_what_it_lost(fronted):
    camera = fronted.channel('/camera')
    stalled = NeverReads(fronted.url, '/camera')
    wait_until(lambda: fronted.subscriptions.count == 1)
    for number in range(99):
        camera.log(numbered(MEGABYTE, number))
    camera.log(numbered(100, 99))  # so short that the size of what waits tells of it
    (viewer,) = fronted.front.viewers
    wait_until(lambda: viewer.outgoing.size % (MEGABYTE + HEAD) == 100 + HEAD)  # all have come
    time.sleep(1.2)  # and are old
    lost = lost_of(fronted)
    camera.log(numbered(MEGABYTE, 100))
    wait_until(lambda: lost_of(fronted) != lost)  # it has come, and another had to go for it

    received, told = [], []
    for kind, payload in stalled.frames():
        if kind == 2:
            received.append(struct.unpack_from('<I', payload, 13)[0])
        elif b'connection too slow, messages left out so far' in payload:
            told.append(payload.decode())
        if 100 in received and f' {101 - len(received)} of /camera' in ''.join(told[-1:]):
            break
    assert received == [*range(len(received) - 1), 100]
    assert len(received) < 12  # what was under way when it stalled, and the latest
    lost = 101 - len(received)
    assert lost_of(fronted)['/camera'] == (lost, (lost - 1) * (MEGABYTE + HEAD) + 100 + HEAD)
    stalled.close()


@pytest.mark.parametrize('frames', [
    [(1, b'{"op": "subscribe", "subscriptions": [{"id": 1, "channelId": 99}]}')],
    [(1, b'not JSON')],
    [(1, b'[' * 100_000)],
    [(1, b'{"op": "subscribe", "subscriptions": 7}'), (1, b'{"op": "unsubscribe"}')],
    [(1, b'{"op": ["getParameters"]}'), (1, b'[]'), (1, b'7')],
    [(1, b'{"op": "advertise", "channels": [{}]}')],
    [(2, b''), (2, b'\x01'), (2, b'\xff' * 20), (2, b'\x02' + bytes(12))],
    [(3, b'an opcode that there is not')],
    [(1, b'\xff\xfe not UTF-8')],
    [(8, b'')],
    [(9, b'ping')],
])
def test_broken_frames_harm_nobody_else(fronted, frames):
    odometry = fronted.channel('/odom')
    good = fronted.viewer()
    good.subscribe('/odom')
    wait_until(lambda: fronted.subscriptions.count == 1)
    broken = NeverReads(fronted.url, '/odom')
    wait_until(lambda: fronted.subscriptions.count == 2)
    for kind, payload in frames:
        broken.send(kind, payload)
    for number in range(50):
        odometry.log(numbered(100, number))
    wait_until(lambda: len(good.got) == 50)
    broken.close()
    wait_until(lambda: fronted.subscriptions.count == 1)
    odometry.log(numbered(100, 50))
    wait_until(lambda: len(good.got) == 51)
    assert numbers(good.got) == list(range(51))
    assert good.is_open


def test_a_thousand_connects_leave_nothing_behind(fronted):
    odometry = fronted.channel('/odom')
    good = fronted.viewer()
    good.subscribe('/odom')
    wait_until(lambda: fronted.subscriptions.count == 1)
    place = urlsplit(fronted.url)
    for _ in range(400):  # those that say nothing, and those that are cut off in the middle
        socket.create_connection((place.hostname, place.port)).close()
        with socket.create_connection((place.hostname, place.port)) as half:
            half.sendall(b'GET / HTTP/1.1\r\nUpgrade: websocket\r\n')
    for _ in range(200):
        NeverReads(fronted.url, '/odom').close()
    odometry.log(numbered(100, 1))
    wait_until(lambda: good.got)
    wait_until(lambda: fronted.subscriptions.count == 1)
    wait_until(lambda: len(fronted.front.viewers) == 1)
    with open('/proc/self/net/tcp') as table:
        port = f':{place.port:04X} '
        wait_until(lambda: table.seek(0) or sum(
            port in line and ' 01 ' in line for line in table
        ) <= 2)


def test_more_viewers_than_allowed_are_told_to_come_later(start_front):
    fronted = start_front(max_clients=1)
    first = fronted.viewer()
    with pytest.raises(InvalidStatus) as refused:
        fronted.viewer()
    assert refused.value.response.status_code == 503
    assert b'max_clients allows no more' in refused.value.response.body
    first.close()
    wait_until(lambda: not fronted.front.viewers)
    assert fronted.viewer().is_open


def test_a_viewer_of_another_protocol_is_told_which_to_offer(fronted):
    with pytest.raises(InvalidStatus) as refused:
        fronted.viewer(protocol='mqtt')
    assert refused.value.response.status_code == 400
    assert b'foxglove.sdk.v1 or foxglove.websocket.v1' in refused.value.response.body


def test_with_a_certificate_viewers_connect_by_tls(start_front, tmp_path):
    names = [str(tmp_path / name) for name in ('cert.pem', 'key.pem')]
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
         '-nodes', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1',
         '-out', names[0], '-keyout', names[1]], check=True, capture_output=True,
    )
    fronted = start_front(tls=True, certfile=names[0], keyfile=names[1])
    odometry = fronted.channel('/odom')
    trusted = ssl.create_default_context(cafile=names[0])
    viewer = fronted.viewer(ssl=trusted)
    viewer.subscribe('/odom')
    wait_until(lambda: fronted.subscriptions.count == 1)
    odometry.log(b'by TLS')
    wait_until(lambda: viewer.got)
    assert viewer.got[0].data == b'by TLS'
