"""What Studio and the browser of the tests see, and what they complain of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_ros import wait_until
from pytest_viewers import Open, Show
from twinsight_viewers.program import ViewerError


def layout(*panels: str, **config: Any) -> dict[str, Any]:
    """Return a layout of panels in a row."""
    tree: Any = panels[-1]
    for panel in reversed(panels[:-1]):
        tree = {'direction': 'row', 'first': panel, 'second': tree}
    return {
        'configById': {panel: config.get(panel.partition('!')[0], {}) for panel in panels},
        'globalVariables': {}, 'userNodes': {}, 'playbackConfig': {'speed': 1}, 'layout': tree,
    }  # fmt: skip


def test_an_unknown_panel_is_a_problem(studio: Show, drive_url: str) -> None:
    raw = {'topicPath': '/state'}
    shown = studio(drive_url, layout('RawMessages!a', 'Teapot!b', RawMessages=raw))
    shown.wait_for_text('RawMessages!a', 'IDLE')
    assert shown.problems() == ['Unknown panel type: Teapot.']
    with pytest.raises(ViewerError, match="RawMessages!a shows '.*IDLE.*, not 'ERROR'"):
        shown.wait_for_text('RawMessages!a', 'ERROR', timeout_s=0.5)


def test_a_source_that_is_away_is_a_problem(studio: Show) -> None:
    shown = studio('ws://127.0.0.1:9', layout('RawMessages!a'))
    shown.wait_for_pictures(
        lambda _: any('Connection failed' in problem for problem in shown.problems()), 'problem'
    )


def test_a_page_is_used_as_on_a_phone(
    browser_page: Open, files: Callable[[Path], str], tmp_path: Path
) -> None:
    page = tmp_path / 'page.html'
    page.write_text("""<!doctype html><meta name=viewport content="width=device-width">
      <link rel=icon href="data:,"><body style="margin: 0; background: rgb(0, 128, 0)">
      <input id=name><button onclick="go()">Go</button><p></p>
      <script>function go() { document.querySelector('p').textContent = 'Hello '
        + document.querySelector('#name').value; absent(); }</script>""")
    seen = browser_page(files(page), width=400, height=700, mobile=True)
    seen.fill('#name', 'Ada')
    seen.click('text=Go')
    assert seen.wait_for('() => document.querySelector("p").textContent') == 'Hello Ada'
    assert seen.evaluate('(factor) => innerWidth * factor', 2) == 800
    picture = seen.screenshot()
    assert picture.pixels.shape == (700, 400, 3)
    assert picture.share_of(0, 128, 0) > 0.8
    wait_until(lambda: seen.problems)
    assert ['absent is not defined' in problem for problem in seen.problems] == [True]
