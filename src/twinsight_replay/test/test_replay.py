"""The replay command over real DDS, from a real ReductStore."""

from dataclasses import replace
import json
import signal
import statistics
import subprocess
import sys

import pytest
from pytest_ros import wait_until
from twinsight_demo.comparison import compare
from twinsight_demo.sighting import digest_of, Sighting

from twinsight_replay.episode import open_episode
from twinsight_store.connection import URL_VARIABLE
from twinsight_store.message_types import message_class, UnknownTypeError
from twinsight_store.read import read
from twinsight_store.selection import Selection

START_NS = 1_700_000_000_000_000_000
LATCHED = '- {reliability: reliable, durability: transient_local, history: keep_last, depth: 1}'
BEST_EFFORT = '- {reliability: best_effort, durability: volatile, history: unknown, depth: 0}'


@pytest.fixture
def replay(operator):
    """Return a function that starts the replay command on the test's own bucket."""
    return operator.start


@pytest.fixture
def witness(operator):
    """Return a function that watches topics; what that returns gives what was seen, in order."""

    def watch(channels, prefix=''):
        operator.watch_as_offered(*channels, prefix=prefix)

        def finish():
            operator.settle(operator.has_finished)
            return [
                Sighting(each.topic, each.source_ns, len(each.data), digest_of(each.data))
                for each in operator.seen(*(prefix + each.topic for each in channels))
            ]

        return finish

    return watch


def off_time(times_ns, recorded_ns, rate):
    """Return how far most messages are from their place in time, ns, as most of them have it."""
    begun_ns = [at_ns - ns / rate for at_ns, ns in zip(times_ns, recorded_ns, strict=True)]
    middle_ns = statistics.median(begun_ns)
    return statistics.median(abs(each - middle_ns) for each in begun_ns)


def sightings(settings, **selection):
    return [
        Sighting(m.channel.topic, m.receive_ns, len(m.data), digest_of(m.data))
        for m in read(Selection(**selection), settings)
    ]


def test_bytes_order_and_intervals_come_back_with_the_recorded_qos(
    operator, store_settings, store, channel, text, witness, with_room
):
    odom, camera, robot = (
        channel('/odom'), channel('/camera', qos=BEST_EFFORT), channel('/map', qos=LATCHED),
    )
    messages = [(robot, START_NS, text('map'))]
    for number in range(200):
        messages.append((odom, START_NS + number * 10_000_000 + 7, text(f'odom {number}')))
        if number % 3 == 0:
            big = text(f'camera {number} ' + 'x' * 70_000)
            messages.append((camera, START_NS + number * 10_000_000 + 3, big))
    store(messages)
    finish = witness([odom, camera, robot], '/replay')
    playing = operator.begin(
        '--robot', 'robot_05', '--mission', 'mission_42', '--prefix', '/replay', **with_room
    )
    assert playing.end(60) == 0, playing.text()
    seen = finish()

    stored = sightings(store_settings)
    assert [f'/replay{each.topic}' for each in stored] == [each.topic for each in seen]
    for row in compare(stored, stored, seen, '/replay', 1.0):
        assert row.identical and row.lost == 0
    times = [[each.time_ns for each in sighted] for sighted in (seen, stored)]
    assert off_time(*times, 1.0) < 50_000_000  # not in a burst: 1.99 s were recorded


def test_several_buckets_are_played_as_one_and_compressed_messages_as_they_were(
    operator, store_settings, store, channel, text, witness
):
    odom, camera = channel('/odom'), channel('/camera')
    cameras = replace(store_settings, bucket=f'{store_settings.bucket}-cameras')
    step_ns = 20_000_000
    odometry = [(odom, START_NS + i * step_ns, text(f'odom {i}')) for i in range(50)]
    images = [
        (camera, START_NS + i * step_ns + step_ns // 2, text(f'image {i} ' + 'x' * 70_000))
        for i in range(50)
    ]
    store(odometry)
    store(images, settings=cameras, compression='zstd')
    finish = witness([odom, camera])
    playing = operator.begin('--bucket', cameras.bucket, '--bucket', 'camras')
    assert playing.end(60) == 0, playing.text()
    seen = finish()
    expected = sorted(odometry + images, key=lambda each: each[1])
    assert [(each.topic, each.digest) for each in seen] == [
        (where.topic, digest_of(data)) for where, _, data in expected
    ]
    assert playing.text().count("has no bucket 'camras': reading the others") == 1


def test_the_rate_divides_the_intervals(operator, store, channel, text, witness):
    odom = channel('/odom')
    recorded = [START_NS + number * 100_000_000 for number in range(81)]
    store([(odom, each_ns, text(str(each_ns))) for each_ns in recorded])
    finish = witness([odom])
    assert operator.begin('--rate', '4').end(60) == 0
    seen = [each.time_ns for each in finish()]
    assert off_time(seen, recorded, 4) < 50_000_000
    assert off_time(seen, recorded, 3) > 50_000_000 < off_time(seen, recorded, 5)


def test_only_the_selected_span_and_topics_are_published_under_their_new_names(
    store, channel, text, replay, witness
):
    odom, scan = channel('/odom'), channel('/scan')
    store([
        (where, START_NS + number * 10_000_000, text(f'{where.topic} {number}'))
        for number in range(100) for where in (odom, scan)
    ])
    finish = witness([channel('/old_odom'), channel('/odom'), channel('/scan')])
    start_s = START_NS // 10**9
    playing = replay(
        '--topic', '/od*', '--from', f'{start_s}.2', '--to', f'{start_s}.4',
        '--remap', '/odom:=/old_odom',
    )
    assert playing.end(60) == 0, playing.text()
    seen = finish()
    assert {each.topic for each in seen} == {'/old_odom'}
    assert [each.digest for each in seen] == [
        digest_of(text(f'/odom {number}')) for number in range(20, 40)
    ]


def test_what_is_not_there_is_said_with_what_there_is(store, channel, text, replay):
    store([(channel('/odom'), START_NS, text('x'))])
    playing = replay('--robot', 'robot_05', '--mission', 'mission_43')
    assert playing.end(60) == 3
    *_, line = playing.text().strip().splitlines()  # before it: that no history is played
    assert line == (
        'replay: nothing matches --robot robot_05 --mission mission_43; there is robot_05 '
        '(missions mission_42; 2023-11-14 22:13:20.000 UTC to 2023-11-14 22:13:20.000 UTC)'
    )


def test_an_empty_store_matches_nothing(replay, store_settings):
    playing = replay('--robot', 'robot_05')
    assert playing.end(60) == 3
    assert f'no bucket {store_settings.bucket!r}: nothing was recorded' in playing.text()


@pytest.mark.parametrize(('arguments', 'said'), [
    (('--rate', '0'), 'rate 0.0: accepted is a number above 0, or inf'),
    (('--from', 'noon'), "--from: time 'noon': accepted are ISO 8601"),
    (('--from', '14:15', '--to', '14:00'), 'is empty: the end must be later than the start'),
    (('--prefix', 'a b'), "--prefix 'a b': accepted is a name like /replay"),
    (('--remap', 'x'), "--remap 'x': accepted is /recorded/topic:=/other/topic"),
    (('--label', 'x'), "--label 'x': accepted is NAME=VALUE"),
    (('--mission', ''), '--mission is empty'),
])
def test_wrong_usage_is_one_line_and_code_2(replay, arguments, said):
    playing = replay(*arguments)
    assert playing.end(60) == 2
    [line] = playing.text().strip().splitlines()
    assert said in line


def test_an_absent_type_is_one_line_and_the_rest_is_published(
    store, channel, text, replay, witness
):
    known, unknown = channel('/known'), channel('/unknown', 'strange_msgs/msg/Thing')
    store([
        (where, START_NS + number * 1_000_000, text(str(number)))
        for number in range(50) for where in (known, unknown)
    ])
    finish = witness([known])
    playing = replay('--json')
    assert playing.end(60) == 0, playing.text()
    assert len(finish()) == 50
    assert playing.err.read_text().count('/unknown is not published: type strange_msgs/msg') == 1
    report = json.loads(playing.out.read_text())
    assert (report['published'], report['not_published']) == (50, 50)


def test_interrupting_ends_with_130_and_says_what_was_played(
    operator, store, channel, text, replay
):
    store([
        (channel('/odom'), START_NS + number * 1_000_000_000, text('x')) for number in range(60)
    ])
    playing = replay('--discovery-time', '0', '--wait-for-subscribers', '0')
    wait_until(lambda: operator.status.published)
    assert playing.end(30, ask=signal.SIGINT) == 130
    assert 'replayed' in playing.text() and '/odom' in playing.text()


def test_a_store_that_does_not_answer_is_named(replay):
    playing = replay(**{URL_VARIABLE: 'http://127.0.0.1:9'})
    assert playing.end(120) == 1
    assert 'ReductStore at http://127.0.0.1:9 does not answer' in playing.text()


@pytest.mark.parametrize(('name', 'rate', 'least'), [
    ('nissan/demo.mcap', 4, 3513), ('camera/tiny_svo.ros2.mcap', 0.5, 132),
    ('sick_lidar/rms_lms.ros2.mcap', 1, 444), ('husky/test1.ros2.mcap', 20, 16806),
])
def test_real_recordings_are_delivered_completely(
    ros, operator, recording, store_settings, witness, name, rate, least
):
    importing = ros.start(
        'twinsight_recorder', 'import_bag', str(recording(name)), '--robot', 'r', '--mission', 'm',
        '--bucket', store_settings.bucket, **{URL_VARIABLE: store_settings.url},
    )
    assert importing.end(120) == 0
    with open_episode(robots='r', records=store_settings, history=None) as episode:
        channels = [each for _, each in episode.channels if installed(each)]
    finish = witness(channels, '/replay')
    assert operator.begin('--prefix', '/replay', '--rate', str(rate)).end(120) == 0
    seen = finish()
    expected = sightings(store_settings, topics=tuple(each.topic for each in channels))
    assert len(expected) >= least
    rows = compare(expected, expected, seen, '/replay', rate)
    assert [(row.topic, row.lost, row.identical) for row in rows] == [
        (each.topic, 0, True) for each in sorted(channels, key=lambda each: each.topic)
    ]


def installed(where):
    try:
        return bool(message_class(where.type_name))
    except UnknownTypeError:
        return False


def test_help_shows_an_example():
    done = subprocess.run(
        [sys.executable, '-m', 'twinsight_replay.replay', '--help'],
        capture_output=True, text=True, check=True,
    )
    assert 'ros2 run twinsight_replay replay --robot robot_05 --mission mission_42' in done.stdout
