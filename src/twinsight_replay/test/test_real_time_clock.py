"""Real-time priority of the thread that waits for what is due."""

from __future__ import annotations

from collections.abc import Callable
import os
import shutil
import subprocess
import sys
from threading import Thread

import pytest

from twinsight_replay.real_time_clock import RealTimeClock
from twinsight_replay.wakeup import Wakeup

MS = 1_000_000
SECOND = 1000 * MS


def in_thread(do: Callable[[], object]) -> None:
    """Do something in a thread that ends: its priority ends with it."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            do()
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def is_real_time() -> bool:
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR


def begin_to_wait(clock: RealTimeClock) -> None:
    """Wait for a time far away, and be woken at once."""
    wakeup = Wakeup()
    wakeup.set()
    clock.wait_until(clock.now_ns() + 1000 * SECOND, wakeup)
    wakeup.close()


@pytest.fixture
def clock() -> RealTimeClock:
    """Return a clock; skip where the system grants no real-time priority."""
    refused: list[str] = []
    made = RealTimeClock(refused.append)
    in_thread(lambda: begin_to_wait(made))
    if refused:
        pytest.skip(refused[0])
    return RealTimeClock(pytest.fail)


def test_who_waits_for_a_time_has_priority_and_comes_back_then(clock):
    def wait() -> None:
        begin_to_wait(clock)
        assert is_real_time()
        due_ns = clock.now_ns() + 20 * MS
        clock.wait_until(due_ns, Wakeup())
        now_ns = clock.now_ns()
        assert now_ns >= due_ns
        clock.now_ns = lambda: now_ns  # however late it looks: it is 10 ms late
        clock.wait_until(now_ns - 10 * MS, Wakeup())
        assert is_real_time()

    in_thread(wait)


def test_what_it_starts_has_the_usual_priority(clock):
    def wait() -> None:
        begin_to_wait(clock)
        in_thread(lambda: seen.append(is_real_time()))

    seen: list[bool] = []
    in_thread(wait)
    assert seen == [False]


def test_who_is_behind_or_waits_for_nothing_does_not_keep_others_from_a_core(clock):
    def wait() -> None:
        wakeup = Wakeup()
        wakeup.set()
        for no_time in (clock.now_ns() - SECOND, None):
            begin_to_wait(clock)
            assert is_real_time()
            clock.wait_until(no_time, wakeup)
            assert not is_real_time()

    in_thread(wait)


def test_where_it_is_refused_that_is_said_once_and_waiting_goes_on():
    setpriv = shutil.which('setpriv')
    if setpriv is None:
        pytest.skip('no setpriv here, to take the right to real-time priority away')
    program = (
        'from twinsight_replay.real_time_clock import RealTimeClock\n'
        'from twinsight_replay.wakeup import Wakeup\n'
        'clock, wakeup = RealTimeClock(print), Wakeup()\n'
        'for _ in range(3):\n'
        '    due_ns = clock.now_ns() + 50_000_000\n'
        '    clock.wait_until(due_ns, wakeup)\n'
        '    print(clock.now_ns() >= due_ns)\n'
    )
    without = [setpriv, '--bounding-set=-sys_nice'] if os.geteuid() == 0 else []
    run = ['prlimit', '--rtprio=0:0', *without, sys.executable, '-c', program]
    done = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True)
    refused, *waited = done.stdout.splitlines()
    assert 'the system grants no real-time priority' in refused
    assert '/etc/security/limits.d' in refused
    assert waited == ['True'] * 3
