"""How a timeline is played."""

from __future__ import annotations

from dataclasses import dataclass

from twinsight_store.errors import ConfigurationError
from twinsight_store.message import END_OF_TIME_NS


@dataclass(frozen=True)
class PlayOptions:
    """
    How a timeline is played; times in ns.

    rate          2.0 plays twice as fast, inf as fast as possible
    paused        begin paused
    offset_ns     begin so long after the first message
    duration_ns   play so much of the recorded time; None for all
    until_ns      play up to this recorded time, included; None for all
    delay_ns      wait so long before the first message
    loop          begin again at the end
    stay          stay at the end, and obey there; else playing ends with the last message
    latched       begin, and begin after a seek, with what was latched then
    """

    rate: float = 1.0
    paused: bool = False
    offset_ns: int = 0
    duration_ns: int | None = None
    until_ns: int | None = None
    delay_ns: int = 0
    loop: bool = False
    stay: bool = False
    latched: bool = True

    def __post_init__(self) -> None:
        if not is_rate(self.rate):
            raise ConfigurationError(f'rate {self.rate}: accepted is a number above 0, or inf')
        for name in ('offset_ns', 'duration_ns', 'delay_ns'):
            value = getattr(self, name)
            if value is not None and value < 0:
                what = name.removesuffix('_ns')
                raise ConfigurationError(f'{what} {value / 1e9:g} s: accepted is 0 s and more')

    def part(self, span_ns: tuple[int, int]) -> tuple[int, int]:
        """
        Return the times of the first and the last message that are played, at most.

        span_ns  when the messages begin and end, to within some seconds

        Raises ConfigurationError where that is nothing.
        """
        start_ns, last_ns = span_ns[0] + self.offset_ns, END_OF_TIME_NS
        if self.duration_ns is not None:
            last_ns = min(last_ns, start_ns + self.duration_ns)
        if self.until_ns is not None:
            last_ns = min(last_ns, self.until_ns)
        end_ns = min(span_ns[1], last_ns)
        if start_ns > end_ns:
            raise ConfigurationError(
                f'nothing is left to play: it would begin {(start_ns - end_ns) / 1e9:.3f} s '
                'after its end (see start offset, duration and until)'
            )
        return start_ns, last_ns


def is_rate(rate: float) -> bool:
    """Return whether a rate can be played; inf can, NaN cannot."""
    return rate > 0
