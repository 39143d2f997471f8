"""Looking into messages: dynamic labels, and rules that take a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from twinsight_recorder.raw.dynamic_label import DynamicLabel
from twinsight_recorder.raw.field_rule import FieldWatch
from twinsight_recorder.raw.receiver import Observer
from twinsight_recorder.raw.settings import RecorderSettings, SnapshotRuleSettings
from twinsight_recorder.raw.topic_watch import ObserverOf
from twinsight_store.field_path import decode


class Observation:
    """
    Decodes the few topics that the configuration looks into.

    on_label(name, text) is called when a label changes; text is None where there is none.
    on_rule(name, rule) is called when a rule fires.
    """

    def __init__(
        self,
        settings: RecorderSettings,
        on_label: Callable[[str, str | None], None],
        on_rule: Callable[[str, SnapshotRuleSettings], None],
        on_problem: Callable[[str], object],
    ) -> None:
        self._labels = [
            DynamicLabel(name, each.topic, each.path())
            for name, each in settings.dynamic_labels.items()
        ]
        self._rules = dict(settings.snapshot.rules) if settings.mode == 'snapshot' else {}
        self._on_label = on_label
        self._on_rule = on_rule
        self._on_problem = on_problem

    def observers(self) -> Mapping[str, ObserverOf]:
        """Return what looks into each topic, made when its type is known."""
        topics = {each.topic for each in self._labels}
        topics |= {each.topic for each in self._rules.values()}
        return {topic: partial(self._observer, topic) for topic in sorted(topics)}

    def _observer(self, topic: str, cls: type) -> Observer:
        labels = [each for each in self._labels if each.topic == topic]
        for each in labels:
            each.field.check(cls)
        watches = [
            (name, rule, FieldWatch(rule.rule().resolved(cls)))
            for name, rule in self._rules.items() if rule.topic == topic
        ]
        unreadable = False

        def observe(data: bytes) -> None:
            nonlocal unreadable
            try:
                message = decode(data, cls)
            except Exception as error:  # whatever another node sends must not end this one
                if not unreadable:
                    self._on_problem(f'topic {topic}: a message cannot be decoded ({error})')
                unreadable = True
                return
            for each in labels:
                if each.see(message):
                    self._on_label(each.name, each.text)
            for name, rule, watch in watches:
                if watch.see(watch.rule.field.value(message)):
                    self._on_rule(name, rule)

        return observe
