"""Metrics of diagnostic_msgs/DiagnosticArray: level, message and values of every status."""

from __future__ import annotations

import math
import re

from twinsight_recorder.metrics.gate import Gate
from twinsight_recorder.metrics.topic_metrics import Place
from twinsight_store.cdr.fields import CdrRows
from twinsight_store.errors import ConfigurationError
from twinsight_store.field_steps import Value
from twinsight_store.metrics.columns import SampleColumns

MOST_NAMES = 1000
"""So many different metrics of one topic; a node that makes up names must not fill the store."""

_FIELDS = (
    'status[].level', 'status[].name', 'status[].message', 'status[].values[].key',
    'status[].values[].value',
)
_NUMBER = re.compile(r'[+-]?(\d{1,40}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?', re.ASCII)
_WHOLE = re.compile(r'[+-]?\d+', re.ASCII)


def number_or_text(text: str) -> Value:
    """Return the number that a text is, the text where it is none that a float can hold."""
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        return text
    number = int(stripped) if _WHOLE.fullmatch(stripped) else float(stripped)
    return number if math.isfinite(number) else text


class DiagnosticsMetrics:
    """Takes what a status says into ``<prefix>.<status>.level``, ``.message``, ``.<key>``."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._rows = CdrRows(place.cls, _FIELDS)
        self._clock = place.clock()
        self._rules = place.gate_rules()
        self._gates: dict[tuple[str, str], Gate] = {}
        self._told = False

    def take(self, data: bytes, receive_ns: int, out: SampleColumns) -> None:
        """Make samples of a message; raises RecordError where it is damaged."""
        [statuses] = self._rows.read(data)
        time_ns = receive_ns if self._clock is None else self._clock(data, receive_ns)
        for level, name, message, pairs in statuses:
            found = [('level', level), ('message', message)]
            found += [(key, number_or_text(text)) for key, text in pairs]
            for key, value in found:
                gate = self._gates.get((name, key)) or self._gate(name, key)
                if gate is None:
                    out.counts.values += 1
                    out.counts.dropped += 1
                else:
                    gate.put(value, receive_ns, time_ns, out)

    def forget(self) -> None:
        """Store again what is stored on change only."""
        for gate in self._gates.values():
            gate.forget()

    def _gate(self, status: str, key: str) -> Gate | None:
        if len(self._gates) >= MOST_NAMES:
            self._tell(
                f'topic {self._place.topic}: more than {MOST_NAMES} different statuses and keys: '
                f'{status!r} {key!r} and later ones are not stored'
            )
            return None
        try:
            number = self._place.number(
                f'{_printable(status)}.{_printable(key)}', '', f'status[name={status}] {key}'
            )
        except ConfigurationError as error:
            self._tell(f'topic {self._place.topic}: {error}')
            return None
        gate = self._gates[status, key] = Gate(number, self._rules)
        return gate

    def _tell(self, line: str) -> None:
        if not self._told:
            self._told = True
            self._place.problem(line)


def _printable(name: str) -> str:
    return ''.join(each if each.isprintable() else '\ufffd' for each in name.strip()) or '_'
