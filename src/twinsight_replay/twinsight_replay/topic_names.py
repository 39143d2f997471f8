"""Under which name a recorded topic is published."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
import re

from twinsight_store import labels as label
from twinsight_store.errors import ConfigurationError

_NO_LETTER = re.compile('[^A-Za-z0-9_]')
_NAME = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)+')


class TopicNames:
    """
    Maps recorded topics to published ones.

    A topic that ``remap`` names gets that name, exactly. Every other one gets the prefix and,
    where there are several robots, its robot: ``<prefix>/<robot_id>/<topic>``. Where missions of
    one robot are played side by side: ``<prefix>/<robot_id>/<mission_id>/<topic>``.
    """

    def __init__(self, prefix: str = '', remap: Sequence[str] = ()) -> None:
        """Make one; remap holds ``from:=to``. Raises ConfigurationError for what is no name."""
        self._prefix = prefix.rstrip('/')
        if self._prefix and not _NAME.fullmatch(self._prefix):
            raise ConfigurationError(
                f'--prefix {prefix!r}: accepted is a name like /replay or /robot_01/replay'
            )
        self._with_robot = False
        self._with_mission = False
        self._remap = dict(_rule(text) for text in remap)

    def tell_apart(
        self, robots: Collection[str], runs: Collection[tuple[str, str]] = ()
    ) -> None:
        """
        Name what there is several of.

        robots  their ids
        runs    robot and mission of each that is played side by side with the others
        """
        self._with_mission = len({robot for robot, _ in runs}) < len(runs)
        self._with_robot = self._with_mission or len(set(robots)) > 1

    def source(self, labels: Mapping[str, str]) -> tuple[str, str]:
        """Return robot and mission, as far as messages are told apart by them."""
        return (
            labels.get(label.ROBOT, '') if self._with_robot else '',
            labels.get(label.MISSION, '') if self._with_mission else '',
        )

    def published(self, source: tuple[str, str], topic: str) -> str:
        """Return the name under which a topic is published, from the source of its messages."""
        if topic in self._remap:
            return self._remap[topic]
        return self._prefix + ''.join(f'/{_level(each)}' for each in source if each) + topic

    def unused(self, topics: Sequence[str]) -> list[str]:
        """Return the remapped topics that are not among the given ones."""
        return [topic for topic in self._remap if topic not in topics]


def _level(text: str) -> str:
    """Return an id as one level of a topic's name."""
    level = _NO_LETTER.sub('_', text)
    return f'_{level}' if level[0].isdigit() else level


def _rule(text: str) -> tuple[str, str]:
    source, arrow, target = text.partition(':=')
    source, target = (f'/{name.strip().lstrip("/")}' for name in (source, target))
    if not arrow or not _NAME.fullmatch(target) or source == '/':
        raise ConfigurationError(f'--remap {text!r}: accepted is /recorded/topic:=/other/topic')
    return source, target
