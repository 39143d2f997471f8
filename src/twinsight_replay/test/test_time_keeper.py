import math

from twinsight_replay.time_keeper import TimeKeeper


class Clock:
    """A clock that stands still until it is set."""

    time_ns = 1_000

    def now_ns(self):
        return self.time_ns


def keeper(**options):
    clock = Clock()
    made = TimeKeeper(clock, **options)
    made.jump(5_000)
    made.release()
    return clock, made


def test_the_position_runs_with_the_clock():
    clock, made = keeper()
    clock.time_ns += 70
    assert made.position_ns() == 5_070
    assert made.due_ns(5_100) == clock.time_ns + 30
    assert made.due_ns(5_000) == clock.time_ns - 70  # it is over


def test_a_rate_changes_what_comes_and_not_what_was():
    clock, made = keeper()
    clock.time_ns += 100
    made.set_rate(2.5)
    clock.time_ns += 100
    assert made.position_ns() == 5_350
    assert made.due_ns(5_400) == clock.time_ns + 20


def test_paused_it_stands_still_and_nothing_is_due():
    clock, made = keeper(paused=True)
    clock.time_ns += 100
    assert (made.position_ns(), made.due_ns(5_001)) == (5_000, None)
    made.set_paused(False)
    clock.time_ns += 100
    assert made.position_ns() == 5_100
    made.set_paused(True)
    clock.time_ns += 100
    assert made.position_ns() == 5_100


def test_held_it_waits_at_the_limit_and_goes_on_from_there_without_catching_up():
    clock, made = keeper()
    clock.time_ns += 10
    made.hold_at(5_040)
    clock.time_ns += 29
    assert not made.is_held
    clock.time_ns += 1_000
    assert made.is_held
    assert made.position_ns() == 5_040
    made.release()
    assert not made.is_held
    assert made.due_ns(5_100) == clock.time_ns + 60
    clock.time_ns += 60
    assert made.position_ns() == 5_100


def test_held_and_released_before_the_limit_nothing_changes():
    clock, made = keeper(rate=0.3)
    clock.time_ns += 10
    due_ns = made.due_ns(5_100)
    made.hold_at(5_040)
    clock.time_ns += 7
    made.release()
    assert made.due_ns(5_100) == due_ns


def test_it_is_never_held_at_what_is_past():
    clock, made = keeper()
    clock.time_ns += 70
    made.hold_at(5_040)
    clock.time_ns += 10
    assert (made.is_held, made.position_ns()) == (True, 5_070)


def test_after_a_jump_it_stands_until_it_is_released():
    clock, made = keeper()
    made.jump(2_000)
    clock.time_ns += 500
    assert made.position_ns() == 2_000
    made.release()
    clock.time_ns += 5
    assert made.position_ns() == 2_005


def test_as_fast_as_possible_the_position_is_that_of_the_messages():
    clock, made = keeper(rate=math.inf)
    clock.time_ns += 500
    assert made.position_ns() == 5_000
    made.pass_to(5_700)
    assert made.position_ns() == 5_700
    made.set_rate(1.0)
    clock.time_ns += 10
    assert made.position_ns() == 5_710


def test_what_is_played_at_once_moves_the_position_forward_only():
    _, made = keeper(paused=True)
    made.pass_to(5_200)
    made.pass_to(5_100)
    assert made.position_ns() == 5_200
