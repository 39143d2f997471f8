"""The files of the page, as they are sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
import hashlib
from importlib.resources import files
from typing import NamedTuple

FRONT = 'index.html'

_TYPES: Mapping[str, str] = {
    '.html': 'text/html; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.svg': 'image/svg+xml',
}


class PageFile(NamedTuple):
    """A file; ``etag`` is another one whenever its content is."""

    content: bytes
    media_type: str
    etag: str


@cache
def page_files() -> Mapping[str, PageFile]:
    """Return all files by name; they are read once."""
    return dict(_read())


def _read() -> Iterator[tuple[str, PageFile]]:
    for each in files(__package__).joinpath('static').iterdir():
        media_type = _TYPES.get(f'.{each.name.rpartition(".")[2]}')
        if media_type is not None:
            content = each.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
            yield each.name, PageFile(content, media_type, etag)
