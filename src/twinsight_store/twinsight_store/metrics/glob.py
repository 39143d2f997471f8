"""Names of metrics as people write them: * stands for any text, all else for itself."""

from __future__ import annotations

import re


def is_glob(name: str) -> bool:
    """Return whether a text may stand for several names."""
    return '*' in name


def glob_expression(glob: str) -> re.Pattern[str]:
    """Return an expression; its fullmatch() tells whether a name is meant."""
    return re.compile('.*'.join(re.escape(part) for part in re.split(r'\*+', glob)), re.DOTALL)
