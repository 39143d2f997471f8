"""Viewers for the tests: a Foxglove client without a window, pages and Foxglove Studio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from pytest_servers import absent
from twinsight_viewers.browser import Browser, Page
from twinsight_viewers.client import NodeViewer, SDK_V1
from twinsight_viewers.studio import Studio

from twinsight_tools import viewers
from twinsight_tools.viewers import Viewers


@pytest.fixture(scope='session')
def viewer_programs() -> Viewers:
    """Return the viewers of this machine; what needs them is skipped where there are none."""
    found = viewers.find()
    if found is None:
        absent('viewers are not on this machine: `tools/bare viewers` fetches them (node, npm)')
    return found


class Connect(Protocol):
    """Connects a viewer to a server; the test ends it where it did not do so itself."""

    def __call__(self, url: str, *, subprotocols: Sequence[str] = (SDK_V1,)) -> NodeViewer: ...


@pytest.fixture
def node_viewer(viewer_programs: Viewers, tmp_path: Path) -> Iterator[Connect]:
    """Return a function that connects a viewer to ws://…, see NodeViewer."""
    connected: list[NodeViewer] = []

    def connect(url: str, *, subprotocols: Sequence[str] = (SDK_V1,)) -> NodeViewer:
        log = tmp_path / f'viewer-{len(connected)}.log'
        connected.append(NodeViewer(viewer_programs, url, log, subprotocols))
        return connected[-1]

    yield connect
    for viewer in connected:
        viewer.close()


@pytest.fixture(scope='session')
def browser(
    viewer_programs: Viewers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """Give a headless Chromium that all tests share; what needs it is skipped without one."""
    if viewer_programs.chromium is None:
        absent(
            'Chromium is not on this machine: `apt install chromium`, or name one in '
            f'{viewers.CHROMIUM_VARIABLE}'
        )
    browser = Browser(viewer_programs, tmp_path_factory.mktemp('browser') / 'log')
    yield browser
    browser.close()


class Open(Protocol):
    """Opens a page; it is left at the end of the test."""

    def __call__(
        self, url: str, *, width: int = 1280, height: int = 800, mobile: bool = False
    ) -> Page: ...


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Open]:
    """Return a function that opens a page of a server on this machine, see Page."""
    pages: list[Page] = []

    def open_page(
        url: str, *, width: int = 1280, height: int = 800, mobile: bool = False
    ) -> Page:
        pages.append(browser.open(url, width=width, height=height, mobile=mobile))
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()


class Show(Protocol):
    """Shows a source in Foxglove Studio; it is left at the end of the test."""

    def __call__(
        self,
        source: str,
        layout: Mapping[str, Any] | Path,
        *,
        width: int = 1280,
        height: int = 800,
    ) -> Studio: ...


@pytest.fixture
def studio(browser: Browser) -> Iterator[Show]:
    """Return a function that shows ws://… or http://…/NAME.mcap in a layout, see Studio."""
    shown: list[Studio] = []

    def show(
        source: str,
        layout: Mapping[str, Any] | Path,
        *,
        width: int = 1280,
        height: int = 800,
    ) -> Studio:
        shown.append(Studio(browser, source, layout, width=width, height=height))
        return shown[-1]

    yield show
    for one in shown:
        one.page.close()
