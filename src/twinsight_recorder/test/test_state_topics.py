"""The time at which a message of a state topic came."""

from types import SimpleNamespace

import pytest

from twinsight_recorder.metrics import state_topics

S = 1_000_000_000
US = 1_000


@pytest.fixture
def clock(monkeypatch):
    found = SimpleNamespace(now_ns=0)
    monkeypatch.setattr(state_topics, 'time', SimpleNamespace(time_ns=lambda: found.now_ns))
    return found


@pytest.fixture
def times(clock):
    """Return a function that gives times to messages, taken at a time, of when each came."""
    topic = state_topics._Followed('std_msgs/msg/Int64', None, None)

    def times(now_ns, *receive_ns):
        clock.now_ns = now_ns
        return [topic.time_of(each) for each in receive_ns]

    return times


def test_a_message_counts_as_received_when_it_came(times):
    assert times(12 * S, 10 * S, 11 * S, 11 * S + US) == [10 * S, 11 * S, 11 * S + US]


def test_messages_that_came_at_once_are_a_microsecond_apart(times):
    assert times(11 * S, 10 * S, 10 * S, 10 * S + 1) == [10 * S, 10 * S + US, 10 * S + 2 * US]


@pytest.mark.parametrize('repaired_after', [1 * S, 3 * S, 60 * S])
def test_what_waited_for_a_message_that_was_sent_again_came_when_that_came(times, repaired_after):
    came = 10 * S + repaired_after
    assert times(came, came, 10 * S, 10 * S + US) == [came, came + US, came + 2 * US]


def test_a_clock_that_is_set_back_is_followed(times):
    assert times(100 * S, 100 * S) == [100 * S]
    assert times(40 * S, 40 * S, 41 * S) == [40 * S, 41 * S]


def test_a_clock_that_is_set_back_a_little_is_waited_for(times):
    assert times(100 * S, 100 * S) == [100 * S]
    assert times(99 * S, 99 * S) == [100 * S + US]
    assert times(101 * S, 101 * S) == [101 * S]
