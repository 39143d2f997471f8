"""What was recorded, opened in Foxglove Studio as a remote file of the api."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import re
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
import pytest
from pytest_viewers import Show
from twinsight_demo.child import Child, executable
from twinsight_viewers.pictures import Picture
from twinsight_viewers.studio import Studio

FIRST, LAST = 10, 90  # steps of the drive: from the second second to the ninth
SECOND_NS = 1_000_000_000
TIME = '[data-testid=PlaybackTime-text] input'
LINE = (78, 152, 226)
PANELS = {
    'Image!camera': {'imageMode': {'imageTopic': '/camera'}},
    'Plot!x': {
        'paths': [{
            'value': '/odom.pose.pose.position.x', 'enabled': True,
            'timestampMethod': 'receiveTime',
        }],
        'showLegend': False, 'isSynced': False, 'xAxisVal': 'timestamp',
    },
    'SourceInfo!topics': {},
}  # fmt: skip
TREE = {
    'direction': 'row', 'first': '3D!points', 'second': {
        'direction': 'column', 'first': 'Image!camera', 'second': {
            'direction': 'column', 'first': 'Plot!x', 'second': 'SourceInfo!topics',
        },
    },
}  # fmt: skip


class Api(NamedTuple):
    """An api command that runs, and its address."""

    child: Child
    url: str

    def answers(self, path: str) -> list[int]:
        """Return the status of each answer to what was asked of a path, as its log has them."""
        return [
            int(status) for status in
            re.findall(rf'"GET {re.escape(path)}\?\S+ HTTP/1\.1" (\d+)', self.child.text())
        ]  # fmt: skip


@pytest.fixture
def api(stored: Any, tmp_path: Path) -> Iterator[Api]:
    """Give an api command that serves the drive."""
    options = ['--port', '0', '--bucket', stored.settings.bucket, '--log-requests']
    command = executable('twinsight_bridge', 'api', *options)
    with Child('api', command, tmp_path, {**os.environ, **stored.environment}) as child:
        child.wait_for('(documentation at')
        found = re.search(r'api: (http://\S+)', child.text())
        assert found
        yield Api(child, found[1])


class Screen:
    """Studio as it shows the drive: the 3D panel and the image tell which step it is."""

    def __init__(self, shown: Studio, stored: Any, square: Any) -> None:
        self._shown, self._stored, self._square = shown, stored, square
        self._steps = {stored.colour(step): step for step in range(stored.steps)}

    def wait_for_step(self, step: int) -> None:
        """Return when the image and the cloud are of a step."""
        expected = pytest.approx((self._stored.x(step), 0.0, 2.0), abs=0.15)
        self._shown.wait_for_pictures(
            lambda seen: self._step_of(seen['Image!camera']) == step
            and bool(self._square.seen(seen['3D!points']) == expected), f'step {step}',
        )  # fmt: skip

    def wait_behind(self, step: int) -> None:
        """Return when the image and the cloud are of later steps."""
        self._shown.wait_for_pictures(
            lambda seen: self._step_of(seen['Image!camera']) > step
            and self._square.seen(seen['3D!points'])[0] > self._stored.x(step) + 0.05,
            f'step behind {step}',
        )  # fmt: skip

    def seek(self, step: int) -> None:
        """Type a time as a person does; it is paused from there on."""
        at_ns = self._stored.at_ns(step)
        self._shown.page.fill(TIME, f'{at_ns // SECOND_NS}.{at_ns % SECOND_NS:09}')
        self._shown.page.press('Tab')

    def _step_of(self, picture: Picture) -> int:
        height, width = picture.pixels.shape[:2]
        red, green, blue = map(int, picture.pixels[height // 2, width // 2])
        return self._steps.get((red, green, blue), -1)


def _rises_all_the_way(picture: Picture) -> bool:
    """Tell whether a plot shows one straight line from below left to above right."""
    rows, columns = np.nonzero(np.abs(picture.pixels.astype(int) - LINE).max(axis=2) <= 24)
    return (
        rows.size > 100 and np.ptp(columns) > 0.9 * picture.pixels.shape[1]
        and bool(np.corrcoef(rows, columns)[0, 1] < -0.99)
    )


def test_studio_plays_a_remote_file_of_the_api(
    api: Api, studio: Show, stored: Any, square: Any
) -> None:
    query = urlencode({
        'robot': stored.robot, 'from': stored.at_ns(FIRST) // SECOND_NS,
        'to': stored.at_ns(LAST) // SECOND_NS,
    })  # fmt: skip
    shown = studio(f'{api.url}/mcap/drive.mcap?{query}', {
        'configById': {'3D!points': square.panel, **PANELS}, 'layout': TREE,
        'globalVariables': {}, 'userNodes': {}, 'playbackConfig': {'speed': 1},
    }, width=1200, height=800)  # fmt: skip
    screen = Screen(shown, stored, square)
    screen.wait_for_step(FIRST)
    shown.wait_for_pictures(lambda seen: _rises_all_the_way(seen['Plot!x']), 'line of the plot')
    for topic, kind in stored.types.items():
        shown.wait_for_text('SourceInfo!topics', f'{topic}\t{kind}\t{LAST - FIRST}\t')

    shown.play()
    screen.wait_behind(FIRST + 5)
    for step in (73, 24):
        screen.seek(step)
        screen.wait_for_step(step)
    shown.play()
    screen.wait_behind(24)

    # It asks for all once, to see the head of the answer, then for the end, which has the index.
    whole, *parts = api.answers('/mcap/drive.mcap')
    assert whole == 200
    assert len(parts) > 1 and set(parts) == {206}
    assert shown.problems() == []
