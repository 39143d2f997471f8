"""Links that open something in Foxglove, in the form that its documentation gives them."""

from __future__ import annotations

from typing import Literal, NamedTuple
from urllib.parse import urlencode

_WEB = 'https://app.foxglove.dev/~/view'
_DESKTOP = 'foxglove://open'


class FoxgloveLinks(NamedTuple):
    """
    Two links to the same.

    web      opens it in the browser, where a page over https reaches ws:// on localhost only
    desktop  opens it in the application
    """

    web: str
    desktop: str


def foxglove_links(
    source: Literal['foxglove-websocket', 'remote-file'], url: str
) -> FoxgloveLinks:
    """Return the links for a source that viewers reach at an URL."""
    query = urlencode({'ds': source, 'ds.url': url})
    return FoxgloveLinks(f'{_WEB}?{query}', f'{_DESKTOP}?{query}')
