"""What is said of servers that are in trouble, and when."""

import pytest

from twinsight_recorder.metrics import notices
from twinsight_recorder.metrics.notices import Notices


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(notices, 'time', found)
    return found


@pytest.fixture
def said():
    return []


@pytest.fixture
def hear(clock, said):
    return Notices(said.append, said.append).hear


def test_a_reason_that_follows_another_soon_is_said_a_little_later(hear, said, clock):
    for _ in range(3):
        hear('Kafka', 'redis', 'away')
    hear('Kafka', 'redis', 'wrong password')
    assert said == ['away']
    clock.now += 11
    for _ in range(3):
        hear('Kafka', 'redis', 'wrong password')
    assert said == ['away', 'wrong password']


def test_two_threads_that_meet_different_trouble_say_each_once(hear, said, clock):
    for _ in range(5):
        hear('Kafka', 'redis', 'away')
        hear('Kafka', 'timescaledb', 'wrong password')
        clock.now += 11
    assert said == ['away', 'wrong password']


def test_it_is_over_when_it_is_over_for_all_and_then_the_same_is_said_again(hear, said):
    for who in ('redis', 'timescaledb'):
        hear('Kafka', who, 'away')
    hear('Kafka', 'redis', '')
    assert said == ['away']
    hear('Kafka', 'timescaledb', '')
    hear('Kafka', 'redis', 'away')
    assert said == ['away', 'Kafka answers again', 'away']
