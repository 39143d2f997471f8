"""Texts in headers of HTTP, which hold ASCII."""

from __future__ import annotations

from urllib.parse import quote

_PLAIN = ''.join(map(chr, range(0x20, 0x7f))).replace('%', '')


def header_text(text: str) -> str:
    """Return a text for a header; what is no printable ASCII, and %, is percent-encoded."""
    return quote(text, safe=_PLAIN)
