"""What holds at the time that a viewer goes to."""

from collections import deque

import pytest

from twinsight_bridge.playback.audience import Audience, GATHER_S, LEFT_S
from twinsight_bridge.playback.held_messages import HeldMessages
from twinsight_bridge.playback.scene_feed import SceneFeed
from twinsight_replay.piece_queue import Piece
from twinsight_store.message import END_OF_TIME_NS, Message


class MemoryFeed:
    """Gives prepared pieces from a time on, as ReadAhead does."""

    def __init__(self, *pieces):
        self.span_ns = (0, 100)
        self.begun = []
        self._all = pieces
        self._left = deque()

    def start(self, from_ns, latched=False):
        self.begun.append((from_ns, latched))
        self._left = deque(
            Piece([m for m in piece.messages if piece.latched or m.receive_ns >= from_ns],
                  piece.until_ns, piece.latched)
            for piece in self._all if latched or not piece.latched
        )

    def take(self):
        return self._left.popleft() if self._left else None


@pytest.fixture
def message(make_channel, transform):
    def make(topic, at_ns, robot='robot_05', frame=None):
        where = make_channel(topic, latched=topic in ('/map', '/tf_static'), frames=bool(frame))
        data = transform(frame) if frame else str(at_ns).encode()
        return Message(where, at_ns, at_ns, 0, data, {'robot_id': robot})

    return make


def taken(feed):
    pieces = []
    while piece := feed.take():
        pieces.append(([(m.topic, m.receive_ns) for m in piece.messages], piece.latched))
    return pieces


def test_a_scene_has_what_is_latched_then_the_latest_of_each_topic(message):
    feed = SceneFeed(MemoryFeed(
        Piece([message('/map', 3)], 30, latched=True),
        Piece([message('/odom', 41), message('/scan', 42), message('/odom', 43)], 45),
        Piece([message('/odom', 45), message('/odom', 50), message('/scan', 50)], 55),
        Piece([message('/odom', 55)], END_OF_TIME_NS),
    ), scene_ns=20)
    feed.start(50, latched=True)
    assert taken(feed) == [
        ([('/map', 3), ('/scan', 42), ('/odom', 45), ('/odom', 50), ('/scan', 50)], True),
        ([], False),
        ([('/odom', 55)], False),
    ]


def test_it_is_read_from_some_time_before_but_not_before_the_start(message):
    inner = MemoryFeed(Piece([message('/odom', 5)], END_OF_TIME_NS))
    feed = SceneFeed(inner, scene_ns=20)
    for from_ns in (50, 10, 0):
        feed.start(from_ns, latched=True)
    feed.start(50)
    assert inner.begun == [(30, True), (0, True), (0, True), (50, False)]


def test_the_latest_of_each_robot_is_in_it(message):
    feed = SceneFeed(MemoryFeed(Piece(
        [message('/odom', 1, 'a'), message('/odom', 2, 'b'), message('/odom', 3, 'a')],
        END_OF_TIME_NS,
    )), scene_ns=100)
    feed.start(9, latched=True)
    assert taken(feed) == [([('/odom', 2), ('/odom', 3)], True), ([], False)]


def test_of_static_transforms_each_frame_holds(message):
    held = HeldMessages()
    for number, frame in enumerate(('camera', 'lidar', 'camera')):
        held.keep('tf', message('/tf_static', number, frame=frame))
    held.keep('map', message('/map', 5))
    held.keep('map', message('/map', 6))
    assert [each.receive_ns for each in held.of('tf')] == [1, 2]
    assert [each.receive_ns for each in held.all()] == [1, 2, 6]
    held.clear()
    assert held.of('tf') == held.all() == []


def test_it_plays_when_the_subscriptions_have_come_and_stands_still_when_they_are_gone():
    audience = Audience(is_wanted=True)
    assert audience.wish(False, 0.0) is None
    audience.subscribed(1, 7, 10.0)
    audience.subscribed(1, 8, 10.05)
    assert audience.wish(False, 10.05 + GATHER_S / 2) is None
    assert audience.wish(False, 10.06 + GATHER_S) is True
    assert audience.wish(True, 11.0) is None
    audience.unsubscribed(1, 7, 20.0)
    assert audience.wish(True, 30.0) is None
    audience.unsubscribed(1, 8, 30.0)
    assert audience.wish(True, 30.0 + LEFT_S / 2) is None
    assert audience.wish(True, 30.01 + LEFT_S) is False
    assert audience.wish(False, 40.0) is None
    audience.subscribed(2, 7, 50.0)
    assert audience.wish(False, 50.01 + GATHER_S) is True


def test_what_an_operator_decided_holds():
    audience = Audience(is_wanted=True)
    audience.subscribed(1, 7, 0.0)
    audience.decided()  # to pause it
    assert audience.wish(False, 10.0) is None
    alone = Audience(is_wanted=False)
    alone.decided()  # to play it, though nobody looks
    assert alone.wish(True, 100.0) is None
