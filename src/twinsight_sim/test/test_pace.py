"""Time is kept against a virtual clock."""

import pytest

from twinsight_sim.pace import LATE_NS, Pace


class Clock:
    """Moves on only when someone sleeps, and by ``slow`` ns more than asked."""

    def __init__(self, slow: int = 0) -> None:
        self.now = 1_000
        self.slow = slow
        self.sleeps = 0

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9) + self.slow
        self.sleeps += 1


def test_errors_of_sleeping_do_not_add_up():
    clock = Clock(slow=70_000)
    pace = Pace(0, lambda: clock.now, clock.sleep)
    for tick in range(1, 1001):
        pace.wait(tick * 5_000_000, lambda: False)
        assert 0 <= clock.now - 1_000 - tick * 5_000_000 <= 70_000


def test_what_is_past_is_not_slept_for():
    clock = Clock()
    pace = Pace(0, lambda: clock.now, clock.sleep)
    clock.now += 1_000_000_000
    assert pace.wait(500_000_000, lambda: False)
    assert clock.sleeps == 0


@pytest.mark.parametrize(('behind_ns', 'late'), [(LATE_NS, 0), (LATE_NS + 1, 1)])
def test_late_messages_are_counted(behind_ns, late):
    clock = Clock()
    pace = Pace(0, lambda: clock.now, clock.sleep)
    clock.now += 7_000 + behind_ns
    assert pace.wait(7_000, lambda: False)
    assert pace.late == late


def test_a_stop_ends_the_waiting():
    clock = Clock()
    pace = Pace(5, lambda: clock.now, clock.sleep)
    assert not pace.wait(10 ** 12, lambda: clock.sleeps == 3)
