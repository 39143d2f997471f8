"""Which robots take commands, and in which ROS namespace each one's nodes are."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
import re

from twinsight_bridge.commands.errors import UnknownNameError
from twinsight_store.errors import ConfigurationError

_NAMESPACE = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)*')


class Robots:
    """The robots that the configuration names, or has a pattern for."""

    def __init__(self, namespaces: Mapping[str, str], where: str) -> None:
        """
        Make them.

        namespaces  robot id, or a pattern of ids → namespace; the first that fits holds, one
                    without ``*`` before all

        Raises ConfigurationError.
        """
        self._namespaces = {
            pattern: namespaces[pattern]
            for pattern in sorted(namespaces, key=lambda each: '*' in each or '?' in each)
        }
        for pattern, namespace in namespaces.items():
            example = 'robot' if '*' in pattern or '?' in pattern else pattern
            if not _is_namespace(namespace.replace('{robot_id}', example)):
                raise ConfigurationError(
                    f"{where}.{pattern}: {namespace!r}: accepted is a namespace such as '', "
                    "'/robot_05' or '/{robot_id}', where the id is of letters, digits and '_'"
                )

    def namespace(self, robot_id: str) -> str:
        """Return a robot's namespace, '' for the root; raises UnknownNameError."""
        for pattern, namespace in self._namespaces.items():
            if fnmatchcase(robot_id, pattern):
                found = namespace.replace('{robot_id}', robot_id)
                if not _is_namespace(found):
                    raise UnknownNameError(
                        f'robot {robot_id!r} is sent no commands: {found!r} is no namespace in '
                        'ROS; name one for it in robots of the configuration'
                    )
                return found
        raise UnknownNameError(
            f'robot {robot_id!r} is sent no commands: robots of the configuration has '
            f'{", ".join(self._namespaces) or "none"}'
        )


def _is_namespace(text: str) -> bool:
    return bool(_NAMESPACE.fullmatch(text)) and '__' not in text
