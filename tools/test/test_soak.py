"""A minute of the standard robot with a store and a recorder that are killed again and again."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys

ROOT = Path(__file__).resolve().parents[2]


def test_what_the_documented_bound_covers_is_stored_once_whatever_is_killed() -> None:
    command = [
        sys.executable, '-m', 'bench.recorder.soak',
        '--seconds', '60', '--store-period', '15', '--json',
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert ended.stdout, ended.stderr
    found = json.loads(ended.stdout)
    assert found['unexplained'] == []
    assert (found['duplicates'], found['damaged']) == (0, 0)
    assert (found['store_kills'], len(found['kills'])) == (3, 2)
    # Recorders that start take some seconds; everything else of the minute is there.
    assert found['stored'] > 0.75 * found['published'] > 15_000
    assert ended.returncode == 0
