"""The folder of what is built or fetched once per user, outside of the checkouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import fcntl
from pathlib import Path

from .messages import say


def folder(name: str, env: Mapping[str, str]) -> Path:
    """Return where the thing of this name is kept; it need not exist."""
    cache = env.get('XDG_CACHE_HOME') or str(Path(env.get('HOME') or Path.home()) / '.cache')
    return Path(cache) / 'twinsight' / name


@contextmanager
def alone(folder: Path, label: str) -> Iterator[None]:
    """Make the folder, and let one checkout at a time fill it; a second one waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / 'lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(label, f'another checkout fills {folder}: waiting')
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
