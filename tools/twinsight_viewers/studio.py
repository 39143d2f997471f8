"""Foxglove Studio, as of its last open release, with a source and a layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import json
from pathlib import Path
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from .browser import Browser, Page
from .pictures import Box, Picture
from .program import TIMEOUT_S, ViewerError

_TOOLBAR = 30  # pixels at the top of each panel that show its title
_POLL_S = 0.1
# Panels by their id in the layout, each as FOUND makes it of `panel`.
_PANELS = """() => Object.fromEntries(
  [...document.querySelectorAll('[data-testid^="panel-mouseenter-container "]')].map((panel) => [
    panel.dataset.testid.split(' ')[1].replace(/^ImageViewPanel!/, 'Image!'), (FOUND)(panel)]))"""
_BOXES = _PANELS.replace('FOUND', """(panel) => {
  const { left, top, width, height } = panel.getBoundingClientRect();
  return [left, top, width, height].map(Math.round);
}""")
_TEXTS = _PANELS.replace('FOUND', '(panel) => panel.innerText')
# In the first moments Studio forgets that it plays: only time that goes on is playing.
_PLAYS = """() => {
  if (document.querySelector('button[title=Pause]') === null) {
    self.timesPlayed = new Set();
    document.querySelector('button[title=Play]')?.click();
  } else {
    self.timesPlayed?.add(document.querySelector('[data-testid=PlaybackTime-text] input').value);
  }
  return self.timesPlayed?.size > 3;
}"""
_COMPLAINTS = """() => [...document.querySelectorAll('[role=alert]')]
  .map((alert) => alert.innerText)
  .concat(document.body.innerText.match(/Unknown panel type: .*|.*unexpected error.*/g) ?? [])"""


class Studio:
    """
    A Studio that shows ``source`` (``ws://…``, or ``http://…/NAME.mcap``) in a layout.

    Of subprotocols it offers ``foxglove.websocket.v1`` alone. Panels go by their id in the
    layout, for example ``Plot!speed``.
    """

    def __init__(
        self,
        browser: Browser,
        source: str,
        layout: Mapping[str, Any] | Path,
        *,
        width: int = 1280,
        height: int = 800,
    ) -> None:
        data = json.loads(layout.read_text()) if isinstance(layout, Path) else layout
        data = _with_images_of_old(data)
        is_file = urlsplit(source).scheme.startswith('http')
        kind = 'remote-file' if is_file else 'foxglove-websocket'
        address = urlencode({'ds': kind, 'ds.url': source, 'layoutId': 'layout'})
        self.page: Page = browser.open(f'/studio.html?{address}', width=width, height=height)
        self.page.evaluate('(data) => show("layout", data)', data)
        self.page.wait_for(f'() => Object.keys(({_BOXES})()).length > 0')

    def panels(self) -> dict[str, Box]:
        """Return where each panel is that can be seen, without its toolbar."""
        return {
            name: Box(left, top + _TOOLBAR, width, height - _TOOLBAR)
            for name, (left, top, width, height) in self.page.evaluate(_BOXES).items()
        }

    def pictures(self) -> dict[str, Picture]:
        """Return what each panel that can be seen shows now."""
        panels, whole = self.panels(), self.page.screenshot()
        return {name: whole.part(box) for name, box in panels.items()}

    def texts(self) -> dict[str, str]:
        """Return the text that each panel that can be seen shows now."""
        texts: dict[str, str] = self.page.evaluate(_TEXTS)
        return texts

    def wait_for_text(self, panel: str, text: str, timeout_s: float = TIMEOUT_S) -> None:
        """Return when a panel shows a text; raise ViewerError where it never does."""
        script = f'([panel, text]) => (({_TEXTS})()[panel] ?? "").includes(text)'
        try:
            self.page.wait_for(script, [panel, text], timeout_s)
        except ViewerError as error:
            shown = self.texts().get(panel)
            raise ViewerError(f'{panel} shows {shown!r}, not {text!r}') from error

    def wait_for_pictures(
        self,
        condition: Callable[[dict[str, Picture]], bool],
        what: str = 'what the test waits for',
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, Picture]:
        """Return the panels' pictures once the condition holds; raise ViewerError otherwise."""
        end = time.monotonic() + timeout_s
        while not condition(pictures := self.pictures()):
            if time.monotonic() > end:
                shown = {name: round(picture.background, 3) for name, picture in pictures.items()}
                raise ViewerError(f'no {what}; backgrounds {shown}, {self.problems()}')
            time.sleep(_POLL_S)
        return pictures

    def wait_changed(
        self, *names: str, share: float = 0.001, timeout_s: float = TIMEOUT_S
    ) -> dict[str, Picture]:
        """Return the pictures once this share of the pixels of each of these panels changed."""
        before = self.pictures()
        return self.wait_for_pictures(
            lambda seen: all(seen[name].difference(before[name]) >= share for name in names),
            f'change in {names}', timeout_s,
        )  # fmt: skip

    def play(self, *, loop: bool = False) -> None:
        """Play a file, as soon as it is open; a loop begins it again at its end."""
        if loop:
            self.page.click('button[title="Loop playback"]')
        self.page.wait_for(_PLAYS)

    def problems(self) -> list[str]:
        """Return all that went wrong: in the page, in panels, in what Studio complains of."""
        return [*self.page.problems, *self.page.evaluate(_COMPLAINTS)]


def _with_images_of_old(layout: Mapping[str, Any]) -> dict[str, Any]:
    """Return the layout with image panels of this Studio's age: the newer are a draft in it."""
    renamed: dict[str, Any] = json.loads(json.dumps(layout).replace('"Image!', '"ImageViewPanel!'))
    for name, config in renamed['configById'].items():
        if name.startswith('ImageViewPanel!'):
            config.update(cameraTopic=config['imageMode']['imageTopic'], mode='fit')
    return renamed
