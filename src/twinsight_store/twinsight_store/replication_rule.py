"""A rule of replication: which data goes to which other store, and who it says it is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
import itertools
import os
import re
from typing import Any
from urllib.parse import urlsplit

from twinsight_store import labels as label
from twinsight_store.errors import ConfigurationError
from twinsight_store.layout import DEFAULT_BUCKET

_RULE_NAME = re.compile(r'[a-z0-9]+(-[a-z0-9]+)*')
_TOPIC = re.compile(r'[/*]?[A-Za-z0-9_*]+(/[A-Za-z0-9_*]+)*|\*')
_LABEL_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')


@dataclass(frozen=True)
class ReplicationRule:
    """
    What goes to which other store; what no rule names stays on the robot.

    name    lower-case letters, digits and ``-``; part of the task's name in the store
    url     http(s)://host:port of the other store
    bucket  there; ReductStore makes it, without a quota, where it is absent
    topics  topic names or globs, in which ``*`` also stands for slashes
    labels  each with its text, or several that are alternatives; all labels must hold; what
            looks like a number is compared as a number
    paused  nothing is sent, but what is chosen waits for the time when it is
    token   of the other store, with read and write permission for the bucket; never printed
    """

    name: str
    url: str
    bucket: str = DEFAULT_BUCKET
    topics: tuple[str, ...] = ('*',)
    labels: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    paused: bool = False
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_rule_name(self.name)
        check_url(self.url)
        if not self.topics:
            raise ConfigurationError(f'replication {self.name}: topics: at least one is needed')
        for topic in self.topics:
            check_topic_glob(topic)
        for name in self.labels:
            check_condition_label(name)

    @classmethod
    def from_environment(
        cls, name: str, url: str = '', environment: Mapping[str, str] = os.environ, **rule: Any
    ) -> ReplicationRule:
        """
        Return a rule with the token, and where ``url`` is empty the URL, of the environment.

        Raises ConfigurationError where there is no URL or a value is not accepted.
        """
        check_rule_name(name)
        url = url or environment.get(variable(name, 'URL'), '')
        if not url:
            raise ConfigurationError(
                f'replication {name}: no address: give url, or set {variable(name, "URL")}'
            )
        token = environment.get(variable(name, 'TOKEN')) or None
        return cls(name, url, token=token, **rule)


def check_rules(rules: Collection[ReplicationRule]) -> None:
    """
    Raise ConfigurationError where two rules have one name, or send the same topics to one bucket.

    ReductStore 1.21 locks up where two requests write to one entry, and two tasks would.
    """
    for one, other in itertools.combinations(rules, 2):
        if one.name == other.name:
            raise ConfigurationError(f'replication {one.name}: there are two of this name')
        if (one.url.rstrip('/'), one.bucket) != (other.url.rstrip('/'), other.bucket):
            continue
        for topic, beside in itertools.product(one.topics, other.topics):
            if _overlap(_absolute(topic), _absolute(beside)):
                raise ConfigurationError(
                    f'replication {one.name} and {other.name}: topics {topic!r} and {beside!r} '
                    f'may both choose one topic for bucket {one.bucket!r}: put them into one '
                    'rule (a label may have a list of texts), or take two buckets'
                )


def _absolute(glob: str) -> str:
    return glob if glob.startswith(('/', '*')) else f'/{glob}'


def _overlap(one: str, other: str) -> bool:
    """Return whether some text matches both globs."""
    if not one or not other:
        return not (one + other).strip('*')
    if one[0] == '*':
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == '*':
        return _overlap(other, one)
    return one[0] == other[0] and _overlap(one[1:], other[1:])


def variable(rule: str, what: str) -> str:
    """Return the environment variable that holds the URL or TOKEN of a rule's other store."""
    return f'TWINSIGHT_REPLICATION_{rule.upper().replace("-", "_")}_{what}'


def entry_patterns(robot_id: str, topic: str) -> list[str]:
    """
    Return the patterns of entries that together mean the same topics as a selection's glob.

    A pattern's ``*`` ends at a slash and its ``**`` stands for any number of levels, so a ``*``
    inside a name, which may stand for both, doubles the patterns.
    """
    glob = re.sub(r'\*+', '*', topic)
    if glob.startswith('*/'):
        glob = f'*{glob}'  # the star may stand for nothing: then the first level is the next one
    alternatives = []
    for level in glob.removeprefix('/').split('/'):
        if level == '**':
            alternatives.append(['**'])
            continue
        parts = level.split('*')
        written = [[parts[0]]]
        for index, part in enumerate(parts[1:], 1):
            if index == 1 and not parts[0]:
                written.append(['**/*'])
            elif index == len(parts) - 1 and not part:
                written.append(['*/**'])
            else:
                written.append(['*', '*/**/*'])
            written.append([part])
        alternatives.append([''.join(pieces) for pieces in itertools.product(*written)])
    return [f'{robot_id}/{"/".join(levels)}' for levels in itertools.product(*alternatives)]


def check_rule_name(name: str) -> str:
    """Return a rule's name; raise ConfigurationError where it cannot name a task."""
    if not _RULE_NAME.fullmatch(name):
        raise ConfigurationError(
            f'replication {name!r}: accepted are names of lower-case letters, digits and "-"'
        )
    return name


def check_url(url: str) -> str:
    """Return the address of a store; raise ConfigurationError where it is none."""
    if '@' in url:
        raise ConfigurationError(
            'the url of the other store holds a user or a password: accepted is '
            'http(s)://HOST:PORT, and the token in the environment'
        )
    parts = urlsplit(url)
    if parts.scheme not in ('http', 'https') or not parts.hostname:
        raise ConfigurationError(f'url {url!r}: accepted is http(s)://HOST:PORT')
    return url


def check_topic_glob(topic: str) -> str:
    """Return a topic or glob; raise ConfigurationError where it cannot choose entries."""
    if not _TOPIC.fullmatch(topic):
        raise ConfigurationError(
            f'topic {topic!r}: accepted are topic names, in which * stands for any text'
        )
    return topic


def check_condition_label(name: str) -> str:
    """Return a label's name; raise ConfigurationError where no rule can ask for it."""
    if name in label.TECHNICAL or not _LABEL_NAME.fullmatch(name):
        raise ConfigurationError(
            f'label {name!r}: accepted are {label.MISSION}, {label.SENSOR} and the names of '
            'labels that the configuration sets'
        )
    return name
