"""Messages around a seek."""

import threading
import time

from twinsight_bridge.playback.seek_gate import SeekGate


def test_it_is_open_but_around_a_seek():
    told = []
    gate = SeekGate(lambda: told.append(time.monotonic()), settle_s=0.05)
    assert gate.admits() and gate.is_open()
    gate.begin()
    assert not gate.admits() and not gate.is_open() and gate.is_dropping
    gate.jumped()
    assert not gate.is_dropping and not gate.is_open()
    begin_s = time.monotonic()
    gate.answered()
    assert gate.admits() and gate.is_open()
    again_s, = told
    assert again_s - begin_s >= 0.05
    assert time.monotonic() - again_s >= 0.05
    assert gate.admits() and len(told) == 1


def test_who_waits_is_let_go_by_the_next_seek():
    gate = SeekGate(lambda: None, settle_s=60.0)
    gate.begin()
    gate.jumped()
    gate.answered()
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(gate.admits()), daemon=True)
    waiting.start()
    gate.begin()
    waiting.join(30.0)
    assert answers == [False]


def test_without_a_message_the_seek_is_told_again_too():
    told = []
    gate = SeekGate(lambda: told.append(1), settle_s=0.01)
    gate.begin()
    gate.jumped()
    gate.answered()
    while not gate.is_open():
        time.sleep(0.005)
    assert told == [1]


def test_a_seek_without_an_answer_holds_for_a_bounded_time():
    gate = SeekGate(lambda: None, settle_s=0.01)
    gate.begin()
    begin_s = time.monotonic()
    gate.jumped()
    assert gate.admits()
    assert 0.9 < time.monotonic() - begin_s < 30.0
