"""Counting lost messages and limiting rates, without ROS."""

from twinsight_recorder.rate_limit import RateLimit
from twinsight_store.loss_count import LossCount


def test_lost_messages_are_counted_from_the_publishers_numbers():
    count = LossCount()
    for publisher, sequence in ((b'a', 5), (b'a', 6), (b'b', 1), (b'a', 9), (b'b', 2), (b'b', 4)):
        count.see(publisher, sequence)
    assert count.lost == 3


def test_thirty_hertz_limited_to_ten_gives_ten_in_spite_of_jitter():
    limit = RateLimit(100_000_000)
    jitter = [0, 2_000_000, -2_000_000]
    taken = [
        number for number in range(300)
        if limit.takes(1_000_000_000 + number * 33_333_333 + jitter[number % 3])
    ]
    assert 99 <= len(taken) <= 101
