"""
What a metric is made of: a field as it is, or a function of the fields of a message.

A function is called with the values of its fields, in their order. It gives NaN where they say
nothing: of a quaternion of zeros no angle is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math
import re

from twinsight_store.errors import ConfigurationError
from twinsight_store.field_path import FieldPath
from twinsight_store.field_steps import MalformedError

_CALL = re.compile(r'\s*(\w+)\s*\(\s*(.*?)\s*\)\s*')


def yaw(x: float, y: float, z: float, w: float) -> float:
    """Return the turn around z of a quaternion, rad in [-pi, pi]."""
    if not (x or y or z or w):
        return math.nan
    return math.atan2(2.0 * (w * z + x * y), w * w + x * x - y * y - z * z)


def pitch(x: float, y: float, z: float, w: float) -> float:
    """Return the turn around y of a quaternion, rad in [-pi/2, pi/2]."""
    square = x * x + y * y + z * z + w * w
    if not square:
        return math.nan
    sine = 2.0 * (w * y - z * x) / square
    return math.asin(sine) if not abs(sine) > 1.0 else math.copysign(math.pi / 2, sine)


def roll(x: float, y: float, z: float, w: float) -> float:
    """Return the turn around x of a quaternion, rad in [-pi, pi]."""
    if not (x or y or z or w):
        return math.nan
    return math.atan2(2.0 * (w * x + y * z), w * w - x * x - y * y + z * z)


def norm(x: float, y: float, z: float) -> float:
    """Return the length of a vector."""
    return math.hypot(x, y, z)


@dataclass(frozen=True)
class Function:
    """
    A function of a message in a message.

    fields  those of the message that it takes
    of      it, None for ``distance``: that one remembers where it was
    """

    fields: tuple[str, ...]
    of: Callable[..., float] | None


_XYZ, _XYZW = ('x', 'y', 'z'), ('x', 'y', 'z', 'w')

FUNCTIONS = {
    'yaw': Function(_XYZW, yaw),
    'pitch': Function(_XYZW, pitch),
    'roll': Function(_XYZW, roll),
    'norm': Function(_XYZ, norm),
    'distance': Function(_XYZ, None),
}
"""What can stand before a path in brackets."""

DISTANCE = FUNCTIONS['distance']


@dataclass(frozen=True)
class Source:
    """
    What a metric is read from.

    text      as it is written: ``data``, ``yaw(pose.pose.orientation)``
    paths     the fields that are read
    function  what is made of them; None: the one field as it is
    """

    text: str
    paths: tuple[FieldPath, ...]
    function: Function | None = None

    @classmethod
    def parse(cls, text: str) -> Source:
        """Return what a text of the configuration means; raises MalformedError."""
        call = _CALL.fullmatch(text)
        if not call or '[' in text.split('(')[0]:
            path = FieldPath.parse(text)
            return cls(path.text, (path,))
        name, inner = call.groups()
        function = FUNCTIONS.get(name)
        if function is None:
            raise MalformedError(
                'field', text, f'{name} is no function; there are {", ".join(FUNCTIONS)}'
            )
        path = FieldPath.parse(inner)
        parts = (FieldPath(f'{path}.{part}', (*path.steps, part)) for part in function.fields)
        return cls(f'{name}({path})', tuple(parts), function)

    def check(self, cls: type) -> None:
        """Raise ConfigurationError where messages of a class do not have the fields."""
        try:
            kinds = [path.check(cls).kind for path in self.paths]
        except ConfigurationError as error:
            if self.function is None:
                raise
            raise ConfigurationError(f'{self._takes()}: {error}') from error
        if self.function is not None and str in kinds:
            raise ConfigurationError(f'field {self.text!r}: {self._takes()}: it has a text there')

    def _takes(self) -> str:
        assert self.function is not None
        name = self.text.split('(')[0]
        return f'{name}(...) takes a message with {", ".join(self.function.fields)}'
