"""The queue of one viewer: what waits, what goes first, and what is left out."""

from twinsight_bridge.front.outgoing import IN_ORDER_BYTES, Loss, MAX_AGE_NS, Outgoing

CAMERA, ODOM, MAP = 1, 2, 3


def drain(outgoing, now_ns=0):
    return list(iter(lambda: outgoing.take(now_ns), None))


def test_while_little_waits_frames_leave_in_the_order_in_which_they_came():
    outgoing = Outgoing(10 * IN_ORDER_BYTES)
    frames = [(CAMERA, b'c' * 1000), (ODOM, b'o1'), (MAP, b'm' * 5000), (ODOM, b'o2'), (MAP, b'm')]
    for flow, frame in frames:
        outgoing.add(flow, frame, 0)
    assert drain(outgoing) == [frame for _, frame in frames]
    assert outgoing.losses() == {}


def test_control_goes_first_and_is_never_left_out():
    outgoing = Outgoing(10)
    outgoing.add(ODOM, b'data', 0)
    for number in range(100):
        outgoing.add_control(f'told {number}')
    assert outgoing.control_size == sum(len(f'told {n}') for n in range(100))
    assert drain(outgoing) == [*[f'told {n}' for n in range(100)], b'data']
    assert outgoing.control_size == 0


def test_the_biggest_flow_loses_its_oldest_and_small_ones_nothing():
    outgoing = Outgoing(1000)
    for number in range(50):
        outgoing.add(CAMERA, b'%02d' % number + b'c' * 198, 0)
        outgoing.add(ODOM, b'%02d' % number, 0)
        assert outgoing.size <= 1000
    frames = drain(outgoing)
    assert [f for f in frames if len(f) == 2] == [b'%02d' % n for n in range(50)]
    assert [f[:2] for f in frames if len(f) > 2] == [b'46', b'47', b'48', b'49']
    assert outgoing.losses() == {CAMERA: Loss(46, 46 * 200)}
    assert outgoing.size == 0


def test_a_small_frame_does_not_wait_for_a_big_backlog():
    outgoing = Outgoing(10 * IN_ORDER_BYTES)
    for _ in range(9):
        outgoing.add(CAMERA, bytes(IN_ORDER_BYTES), 0)
    outgoing.take(0)
    outgoing.add(ODOM, b'odom', 0)
    assert outgoing.take(0) == b'odom'


def test_equally_busy_flows_share_by_bytes():
    outgoing = Outgoing(1_000_000)
    for _ in range(400):
        outgoing.add(CAMERA, b'c' * 1000, 0)
    for _ in range(4000):
        outgoing.add(ODOM, b'o' * 100, 0)
    first = b''.join(outgoing.take(0) for _ in range(2200))
    assert abs(first.count(b'c') - first.count(b'o')) <= 1000


def test_after_a_stall_only_the_latest_of_each_topic_is_left_of_what_is_old():
    outgoing = Outgoing(10_000)
    for number in range(100):
        outgoing.add(ODOM, b'o%02d' % number, number)
    outgoing.add(CAMERA, b'camera', 100)
    outgoing.add(CAMERA, b'new', MAX_AGE_NS + 200)
    assert drain(outgoing, 2 * MAX_AGE_NS) == [b'o99', b'new']
    assert outgoing.losses() == {ODOM: Loss(99, 297), CAMERA: Loss(1, 6)}


def test_what_is_young_enough_is_sent_whole():
    outgoing = Outgoing(10_000)
    for number in range(10):
        outgoing.add(ODOM, b'%d' % number, 0)
    assert len(drain(outgoing, MAX_AGE_NS)) == 10


def test_one_frame_above_the_limit_is_sent_alone():
    outgoing = Outgoing(100)
    outgoing.add(CAMERA, b'c' * 500, 0)
    assert outgoing.size == 500
    outgoing.add(CAMERA, b'd' * 500, 0)
    assert drain(outgoing) == [b'd' * 500]
    outgoing.add(ODOM, b'odom', 0)
    outgoing.add(CAMERA, b'e' * 500, 0)
    assert drain(outgoing) == [b'odom']
    assert outgoing.losses() == {CAMERA: Loss(2, 1000)}


def test_the_latest_of_a_latched_topic_is_never_left_out():
    outgoing = Outgoing(100)
    outgoing.add(MAP, b'old' * 20, 0, keep_latest=True)
    outgoing.add(MAP, b'map' * 100, 0, keep_latest=True)
    for _ in range(10):
        outgoing.add(CAMERA, b'c' * 90, 0)
        outgoing.add(ODOM, b'o' * 10, 0)
    frames = drain(outgoing)
    assert b'map' * 100 in frames
    assert b'old' * 20 not in frames


def test_what_is_of_another_time_is_dropped_without_counting():
    outgoing = Outgoing(1000)
    outgoing.add(CAMERA, b'before the seek', 0)
    outgoing.forget_waiting()
    outgoing.add(CAMERA, b'after', 0)
    assert drain(outgoing) == [b'after']
    assert outgoing.losses() == {}


def test_a_flow_that_ends_says_what_it_lost():
    outgoing = Outgoing(10)
    for _ in range(3):
        outgoing.add(CAMERA, b'c' * 8, 0)
    assert outgoing.end_flow(CAMERA) == Loss(2, 16)
    assert outgoing.take(0) is None
    assert outgoing.size == 0
    assert outgoing.end_flow(CAMERA) == Loss(0, 0)
