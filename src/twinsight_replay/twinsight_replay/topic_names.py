"""Under which name a recorded topic is published."""

from __future__ import annotations

from collections.abc import Sequence
import re

from twinsight_store.errors import ConfigurationError

_NAME = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)+')


class TopicNames:
    """
    Maps recorded topics to published ones.

    A topic that ``remap`` names gets that name, exactly. Every other one gets the prefix and,
    with ``with_robot`` set (several robots at once), its robot: ``<prefix>/<robot_id>/<topic>``.
    """

    def __init__(self, prefix: str = '', remap: Sequence[str] = ()) -> None:
        """Make one; remap holds ``from:=to``. Raises ConfigurationError for what is no name."""
        self._prefix = prefix.rstrip('/')
        if self._prefix and not _NAME.fullmatch(self._prefix):
            raise ConfigurationError(
                f'--prefix {prefix!r}: accepted is a name like /replay or /robot_01/replay'
            )
        self.with_robot = False
        self._remap = dict(_rule(text) for text in remap)

    def published(self, robot_id: str, topic: str) -> str:
        """Return the name under which a robot's topic is published."""
        if topic in self._remap:
            return self._remap[topic]
        robot = f'/{re.sub("[^A-Za-z0-9_]", "_", robot_id)}' if self.with_robot else ''
        return f'{self._prefix}{robot}{topic}'

    def unused(self, topics: Sequence[str]) -> list[str]:
        """Return the remapped topics that are not among the given ones."""
        return [topic for topic in self._remap if topic not in topics]


def _rule(text: str) -> tuple[str, str]:
    source, arrow, target = text.partition(':=')
    source, target = (f'/{name.strip().lstrip("/")}' for name in (source, target))
    if not arrow or not _NAME.fullmatch(target) or source == '/':
        raise ConfigurationError(f'--remap {text!r}: accepted is /recorded/topic:=/other/topic')
    return source, target
