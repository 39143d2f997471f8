from __future__ import annotations

import os
import subprocess
import time

from twinsight_tools import identity


def test_a_process_is_itself_and_no_other() -> None:
    started = identity.start_time(os.getpid())
    assert started is not None
    assert identity.same(os.getpid(), started)
    assert not identity.same(os.getpid(), started + 1)


def test_an_ended_process_has_no_start_time_even_before_it_is_reaped() -> None:
    child = subprocess.Popen(['true'])
    deadline_s = time.monotonic() + 30
    while identity.start_time(child.pid) is not None and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert identity.start_time(child.pid) is None
    child.wait()
    assert identity.start_time(child.pid) is None
