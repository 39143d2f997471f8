"""Pages in a headless Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twinsight_tools.viewers import Viewers

from .pictures import Picture
from .program import Event, TIMEOUT_S, ViewerProgram

_LOAD_S = 60.0


class Browser:
    """A browser without a window that shows pages of this machine, and of no other."""

    def __init__(self, found: Viewers, log: Path) -> None:
        self._problems: dict[int, list[str]] = {}
        self._base = ''
        self._program = ViewerProgram(found, 'browser.js', [str(found.chromium)], log, self._take)
        self._program.wait_for(lambda: self._base, 'browser', _LOAD_S)
        self.close = self._program.close

    def open(
        self, url: str, *, width: int = 1280, height: int = 800, mobile: bool = False
    ) -> Page:
        """
        Return a page with no past once it is loaded; ``/studio.html`` is that of tools/viewers.

        ``mobile`` stands for a phone: touch, and the viewport that the page asks for.
        """
        number = self._program.command(
            'open', url=url, width=width, height=height, mobile=mobile, timeout_s=_LOAD_S
        )
        return Page(self._program, number, self._problems.setdefault(number, []))

    def _take(self, event: Event) -> None:
        if event['event'] == 'ready':
            self._base = event['base']
        else:
            self._problems.setdefault(event['page'], []).append(event['text'])


class Page:
    """
    One page.

    ``problems`` grows as they come: exceptions, errors on the console, requests that failed.
    A script is a function of JavaScript that may take one ``argument``: ``() => 1 + 1``.
    """

    def __init__(self, program: ViewerProgram, number: int, problems: list[str]) -> None:
        self._program, self._number, self.problems = program, number, problems

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Return the value of a script."""
        return self._command('evaluate', script=script, argument=argument)

    def wait_for(self, script: str, argument: Any = None, timeout_s: float = TIMEOUT_S) -> Any:
        """Return the value of a script once it is true; raise ViewerError where it never is."""
        return self._command(
            'waitFor', script=script, argument=argument, timeoutMs=round(timeout_s * 1000),
            timeout_s=timeout_s + 5.0,
        )  # fmt: skip

    def click(self, selector: str) -> None:
        """Click on what a selector (CSS, or ``text=…``) finds."""
        self._command('click', selector=selector, timeout_s=40.0)

    def fill(self, selector: str, text: str) -> None:
        """Put text into a field."""
        self._command('fill', selector=selector, text=text, timeout_s=40.0)

    def press(self, key: str) -> None:
        """Press a key, for example ``Enter`` or ``Space``."""
        self._command('press', key=key)

    def screenshot(self) -> Picture:
        """Return what the window shows."""
        return Picture.from_file(self._command('screenshot'))

    def close(self) -> None:
        """Leave the page."""
        self._command('close')

    def _command(self, op: str, **fields: Any) -> Any:
        return self._program.command(op, page=self._number, **fields)
