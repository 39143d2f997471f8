"""Which rules hold for a topic: the user's, and where it has none the ready-made ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import re

from twinsight_recorder.metrics.action_status_metrics import ActionStatusMetrics
from twinsight_recorder.metrics.diagnostics_metrics import DiagnosticsMetrics
from twinsight_recorder.metrics.extraction import TopicExtractor
from twinsight_recorder.metrics.field_metrics import FieldMetrics
from twinsight_recorder.metrics.ready_made import READY_MADE
from twinsight_recorder.metrics.rule_settings import MetricRuleSettings
from twinsight_recorder.metrics.tf_metrics import TfMetrics
from twinsight_recorder.metrics.tf_metrics import TYPE as TF_TYPE
from twinsight_recorder.metrics.topic_metrics import Place, TopicMetrics
from twinsight_store.errors import ConfigurationError
from twinsight_store.message_types import message_class
from twinsight_store.metrics.columns import check_metric_name, MetricNames

_STATUS_OF_ACTION = '/_action/status'
_TYPES = {
    'diagnostics': 'diagnostic_msgs/msg/DiagnosticArray',
    'action_status': 'action_msgs/msg/GoalStatusArray',
    'tf': TF_TYPE,
}
_KINDS: dict[str, Callable[[Place], TopicMetrics]] = {
    'fields': FieldMetrics,
    'diagnostics': DiagnosticsMetrics,
    'action_status': ActionStatusMetrics,
    'tf': TfMetrics,
}


@dataclass(frozen=True)
class _Rule:
    name: str
    settings: MetricRuleSettings
    type_name: str
    patterns: Sequence[re.Pattern[str]]

    @classmethod
    def of(cls, name: str, settings: MetricRuleSettings, namespace: str) -> _Rule:
        texts: Sequence[str] = settings.topics
        if settings.kind == 'tf' and not texts:
            texts = [f'({re.escape(namespace)})?/(tf|tf_static)']
        return cls(
            name, settings, _TYPES.get(settings.kind, settings.type),
            [re.compile(text) for text in texts],
        )

    def holds_for(self, topic: str, type_name: str) -> bool:
        if self.type_name and type_name != self.type_name:
            return False
        if self.patterns:
            return any(pattern.fullmatch(topic) for pattern in self.patterns)
        return '/_' not in topic or self.settings.kind == 'action_status'


class MetricRules:
    """
    Decides which topics become metrics, and makes what takes them out of messages.

    names  of all metrics so far; SampleColumns for the extractors are made with it
    """

    def __init__(
        self,
        rules: Mapping[str, MetricRuleSettings],
        ready_made: Sequence[str],
        problem: Callable[[str], object],
        namespace: str = '/',
    ) -> None:
        """
        Make them.

        rules       the user's, by name
        ready_made  names of those of READY_MADE that hold for topics without a rule
        problem     problem(line) tells the user of what goes wrong later
        namespace   the robot's: left out at the beginning of metrics' names; ready-made rules
                    hold for topics in it only
        """
        self.names = MetricNames()
        self._namespace = namespace.rstrip('/')
        self._own = [_Rule.of(name, each, self._namespace) for name, each in rules.items()]
        self._ready_made = [
            _Rule.of(f'ready-made {name}', READY_MADE[name], self._namespace)
            for name in ready_made
        ]
        self._problem = problem
        self._extractors: dict[str, TopicExtractor] = {}
        self._made_of: dict[str, tuple[str, str]] = {}
        self._tf: dict[str, TopicMetrics] = {}

    def wants(self, topic: str, type_name: str) -> bool:
        """Return whether a topic becomes metrics."""
        return bool(self._rules_for(topic, type_name))

    def extractor(self, topic: str, type_name: str) -> TopicExtractor:
        """
        Return what makes samples of the messages of a topic that is wanted.

        A rule that does not fit the type is told as a problem where another one does. Raises
        ConfigurationError where none does, and UnknownTypeError where the type is not
        installed here; both are one line.
        """
        cls = message_class(type_name)
        self._made_of = {
            name: owner for name, owner in self._made_of.items() if owner[0] != topic
        }
        parts, problems = [], []
        for rule in self._rules_for(topic, type_name):
            try:
                parts.append(self._part(rule, topic, cls))
            except ConfigurationError as error:
                problems.append(f'rule {rule.name}, topic {topic} ({type_name}): {error}')
        if problems and not parts:
            raise ConfigurationError('; '.join(problems))
        for line in problems:
            self._problem(line)
        self._extractors[topic] = TopicExtractor(topic, parts, self._problem)
        return self._extractors[topic]

    def forget(self) -> None:
        """Store with the next messages what is stored on change only: a mission begins."""
        for extractor in self._extractors.values():
            extractor.forget()

    def _rules_for(self, topic: str, type_name: str) -> list[_Rule]:
        own = [rule for rule in self._own if rule.holds_for(topic, type_name)]
        if own and not any(rule.settings.with_ready_made for rule in own):
            return own
        if not topic.startswith(f'{self._namespace}/'):  # another robot's
            return own
        return own + [rule for rule in self._ready_made if rule.holds_for(topic, type_name)]

    def _part(self, rule: _Rule, topic: str, cls: type) -> TopicMetrics:
        if rule.name in self._tf:  # its transforms come on several topics
            return self._tf[rule.name]
        owner = ('transforms' if rule.settings.kind == 'tf' else topic, rule.name)
        place = Place(
            rule.name, rule.settings, topic, cls, self._prefix(rule, topic), self.names,
            lambda name: self._claim(name, owner), self._problem,
        )
        part = _KINDS[rule.settings.kind](place)
        if rule.settings.kind == 'tf':
            self._tf[rule.name] = part
        return part

    def _prefix(self, rule: _Rule, topic: str) -> str:
        if rule.settings.name:
            return rule.settings.name
        if rule.settings.kind == 'tf':
            return rule.name
        short = topic.removeprefix(f'{self._namespace}/').removeprefix('/')
        if rule.settings.kind == 'action_status':
            short = short.removesuffix(_STATUS_OF_ACTION)
        return check_metric_name(short)

    def _claim(self, name: str, owner: tuple[str, str]) -> None:
        first = self._made_of.setdefault(name, owner)
        if first != owner:
            raise ConfigurationError(
                f'metric {name} is already made of {first[0]} by rule {first[1]}; '
                'give the rules different names'
            )
