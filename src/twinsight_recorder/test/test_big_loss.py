"""Recognising big best-effort messages that are lost inside DDS, without DDS."""

from __future__ import annotations

import pytest

from twinsight_recorder.raw.big_loss import (
    BIG_BYTES,
    BigLossWatch,
    is_profile_active,
    profile_variable,
    remedy,
)

SECOND = 1_000_000_000
MB = 1_000_000


class Topic:
    """A topic whose messages come and are lost, second by second."""

    def __init__(self) -> None:
        self.watch = BigLossWatch('/points', 'sensor_msgs/msg/PointCloud2')
        self._now_ns = self._received = self._lost = self._bytes = 0
        self.second()

    def second(
        self, received: int = 0, lost: int = 0, size: int = 2 * MB, best_effort: bool = True,
        publishers: int = 1,
    ) -> str | None:
        self._now_ns += SECOND
        self._received += received
        self._lost += lost
        self._bytes += received * size
        return self.watch.see(
            self._now_ns, self._received, self._lost, self._bytes, best_effort, publishers
        )

    def seconds(self, count: int, **each: int) -> list[str]:
        """Return the warnings of so many seconds."""
        return [text for text in (self.second(**each) for _ in range(count)) if text]


def test_a_cloud_of_which_nothing_arrives_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE', 'ROS_DISTRO'):
        monkeypatch.delenv(name, raising=False)
    text = Topic().second(lost=20)
    assert text is not None
    assert text.startswith(
        'topic /points (sensor_msgs/msg/PointCloud2): lost 20 of 20 best-effort messages '
        'inside DDS, none came'
    )
    assert 'start the node that publishes it, and the recorder, with ' in text
    assert 'FASTDDS_DEFAULT_PROFILES_FILE=' in text
    assert text.endswith('fastdds.xml')
    assert '\n' not in text


def test_big_messages_of_which_some_arrive_are_named_with_their_size() -> None:
    text = Topic().second(received=5, lost=15)
    assert text is not None
    assert 'lost 15 of 20' in text
    assert 'those that came have 2.0 MB' in text


@pytest.mark.parametrize(('size', 'warns'), [(BIG_BYTES - 1, False), (BIG_BYTES, True)])
def test_losses_of_small_messages_have_other_causes(size: int, warns: bool) -> None:
    assert bool(Topic().seconds(10, received=10, lost=10, size=size)) == warns


@pytest.mark.parametrize(('received', 'warns'), [(95, True), (96, False)])
def test_a_small_share_is_not_the_pattern(received: int, warns: bool) -> None:
    assert bool(Topic().second(received=received, lost=5)) == warns


@pytest.mark.parametrize(('lost', 'warns'), [(4, False), (5, True)])
def test_a_hiccup_is_not_the_pattern(lost: int, warns: bool) -> None:
    topic = Topic()
    assert bool(topic.second(lost=lost)) == warns
    assert topic.seconds(10, received=20) == []


def test_losses_of_a_slow_topic_add_up_over_five_seconds_and_no_longer() -> None:
    assert len(Topic().seconds(5, lost=1)) == 1
    topic = Topic()
    for _ in range(4):  # four are lost in any five seconds
        assert topic.seconds(4, lost=1) == []
        assert topic.seconds(1) == []


def test_what_was_lost_before_the_first_look_is_not_held_against_a_topic() -> None:
    watch = BigLossWatch('/points', 'sensor_msgs/msg/PointCloud2')
    assert watch.see(SECOND, 0, 1000, 0, True, 1) is None
    assert watch.see(2 * SECOND, 20, 1000, 40 * MB, True, 1) is None


def test_it_is_said_once_until_five_seconds_pass_without_loss() -> None:
    topic = Topic()
    assert len(topic.seconds(20, lost=20)) == 1
    assert topic.seconds(3, received=20) == []
    assert topic.seconds(10, lost=20) == [], 'it had not recovered'
    assert topic.seconds(10, received=20) == []
    assert len(topic.seconds(10, lost=20)) == 1


def test_silence_is_not_recovery() -> None:
    topic = Topic()
    assert len(topic.seconds(2, lost=20)) == 1
    assert topic.seconds(10) == []
    assert topic.seconds(2, lost=20) == []


def test_a_reliable_subscription_and_a_topic_without_publishers_are_left_alone() -> None:
    topic = Topic()
    assert topic.second(lost=20, best_effort=False) is None
    assert topic.second(lost=20, publishers=0) is None
    assert topic.seconds(10, received=20) == []


@pytest.mark.parametrize(
    ('env', 'active'),
    [
        ({}, False),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/opt/twinsight/config/fastdds.xml'}, True),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/home/me/other.xml'}, False),
        ({'FASTRTPS_DEFAULT_PROFILES_FILE': '/opt/fastdds.xml'}, True),
        ({'FASTRTPS_DEFAULT_PROFILES_FILE': '/opt/fastdds.xml', 'ROS_DISTRO': 'jazzy'}, True),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/opt/fastdds.xml', 'ROS_DISTRO': 'jazzy'}, False),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/opt/fastdds.xml', 'ROS_DISTRO': 'kilted'}, True),
    ],
)
def test_the_profile_is_active_under_the_name_that_the_distribution_reads(
    env: dict[str, str], active: bool
) -> None:
    assert is_profile_active(env) == active
    assert ('the recorder has the profile' in remedy(env)) == active
    assert f'{profile_variable(env)}=' in remedy(env)
