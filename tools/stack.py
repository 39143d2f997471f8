"""
Reads launch/stack.yaml where there is no `ros2 launch`, and says which processes it asks for.

The stack is a ROS 2 launch file in its YAML form. This module knows the words and substitutions
that the file uses, with the meaning that launch gives them, and refuses every other, so that a
line which `ros2 launch` obeys is never silently ignored here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
import re
from typing import Any

import yaml

from twinsight_tools.messages import UsageError

TIMEOUT_S = 5.0  # launch's own time from SIGINT to SIGTERM, and from there to SIGKILL
_TRUTH = {'true': True, '1': True, 'false': False, '0': False}
_TOKEN = re.compile(r'\$\(|[() ]|\$|[^$() ]+')
_NAMESPACE = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*|/?', re.ASCII)


@dataclass(frozen=True)
class Argument:
    """One launch argument; `default` may hold substitutions."""

    name: str
    default: str
    description: str


@dataclass(frozen=True)
class Setting:
    """One environment variable to set; all may hold substitutions."""

    name: str
    value: str
    condition: str = 'true'


@dataclass(frozen=True)
class Scope:
    """
    What substitutions stand for.

    That is the arguments' values, the share folders of packages, and the environment that
    the stack is started in.
    """

    values: Mapping[str, str]
    find_share: Callable[[str], Path]
    env: Mapping[str, str] = field(default_factory=dict)

    def expand(self, template: str) -> str:
        """Put each substitution in place; one may stand inside another."""
        tokens = iter(_TOKEN.findall(template))
        try:
            return self._words(tokens, inside=False)[0]
        except _UnknownSubstitution as error:
            raise UsageError(
                f'{template!r} holds a substitution that tools/stack.py does not '
                f'know; known: $(var ARGUMENT), $(find-pkg-share PACKAGE), '
                f'$(env VARIABLE DEFAULT), $(equals TEXT TEXT), $(not-equals TEXT TEXT), '
                f"$(if CONDITION TEXT TEXT); a TEXT may be ''"
            ) from error

    def _words(self, tokens: Iterator[str], inside: bool) -> list[str]:
        """Read on, inside of a substitution up to its end; only there a blank parts words."""
        words = ['']
        for token in tokens:
            if token == '$(':
                words[-1] += self._replace(self._words(tokens, inside=True))
            elif inside and token == ')':
                return words
            elif inside and token == ' ':
                words.append('')
            elif inside and token == "''":
                continue  # a word of no letters
            else:
                words[-1] += token
        if inside:
            raise _UnknownSubstitution
        return words

    def _replace(self, words: list[str]) -> str:
        match words:
            case ['var', name]:
                if name not in self.values:
                    raise UsageError(f'$(var {name}): no such argument in the stack')
                return self.values[name]
            case ['find-pkg-share', package]:
                return str(self.find_share(package))
            case ['env', name, default]:
                return self.env.get(name, default)
            case ['equals', left, right]:
                return 'true' if left == right else 'false'
            case ['not-equals', left, right]:
                return 'true' if left != right else 'false'
            case ['if', ('true' | 'false') as truth, then, otherwise]:
                return then if truth == 'true' else otherwise
        raise _UnknownSubstitution


class _UnknownSubstitution(Exception):
    """A substitution that is not known here, or that does not end."""


@dataclass(frozen=True)
class Process:
    """
    One node to start.

    `parameters` holds parameter files and sets of values, where a later one wins; the values
    are for the node `node_key`. Time-outs are in seconds.
    """

    label: str
    package: str
    executable: str
    arguments: tuple[str, ...]
    ros_arguments: tuple[str, ...]
    node_key: str
    parameters: tuple[Path | dict[str, str], ...]
    sigterm_timeout_s: float = TIMEOUT_S
    sigkill_timeout_s: float = TIMEOUT_S

    def words(self, folder: Path) -> list[str]:
        """
        Return what follows the executable; values of parameters are written into `folder`.

        They travel in a file, under the node's full name, because only then do they win over
        any way in which a parameter file before them may name the node.
        """
        words = [*self.arguments, '--ros-args', *self.ros_arguments]
        for number, entry in enumerate(self.parameters):
            if isinstance(entry, dict):
                path = folder / f'{self.label}_{number}.yaml'
                path.write_text(yaml.safe_dump({self.node_key: {'ros__parameters': entry}}))
                entry = path
            words += ['--params-file', str(entry)]
        return words


@dataclass(frozen=True)
class Stack:
    """What the file says, with nothing substituted yet."""

    path: Path
    arguments: tuple[Argument, ...] = ()
    settings: tuple[Setting, ...] = ()
    nodes: tuple[Mapping[str, Any], ...] = ()

    def scope(
        self,
        words: Iterable[str],
        find_share: Callable[[str], Path],
        env: Mapping[str, str] | None = None,
    ) -> Scope:
        """Give each argument its value; words are `NAME:=VALUE`, the last of a name wins."""
        given = self._given(words)
        values: dict[str, str] = {}
        scope = Scope(values, find_share, env or {})
        for argument in self.arguments:
            name = argument.name
            values[name] = given[name] if name in given else scope.expand(argument.default)
        return scope

    def environment(self, scope: Scope) -> dict[str, str]:
        """Return the variables whose condition holds, with their values."""
        return {
            scope.expand(setting.name): scope.expand(setting.value)
            for setting in self.settings
            if _is_true(setting.condition, scope)
        }

    def processes(self, scope: Scope) -> list[Process]:
        """Return the nodes whose condition holds, ready to start."""
        chosen = [node for node in self.nodes if 'if' not in node or _is_true(node['if'], scope)]
        return [_process(node, scope) for node in chosen]

    def _given(self, words: Iterable[str]) -> dict[str, str]:
        accepted = [argument.name for argument in self.arguments]
        given: dict[str, str] = {}
        for word in words:
            name, separator, value = word.partition(':=')
            if not (separator and name):
                raise UsageError(
                    f'{word!r} is not of the form NAME:=VALUE; accepted names: '
                    f'{", ".join(accepted)}'
                )
            if name not in accepted:
                raise UsageError(f'unknown argument {name!r}; accepted: {", ".join(accepted)}')
            given[name] = value
        return given


def read(path: Path) -> Stack:
    """Read a stack; raises UsageError where a word in it is not known here."""
    arguments: list[Argument] = []
    settings: list[Setting] = []
    nodes: list[Mapping[str, Any]] = []
    for entry in yaml.safe_load(path.read_text())['launch']:
        [(kind, body)] = entry.items()
        try:
            if kind == 'arg':
                _check(body, required={'name', 'default', 'description'})
                arguments.append(Argument(**body))
            elif kind == 'set_env':
                _check(body, required={'name', 'value'}, optional={'if'})
                settings.append(Setting(body['name'], body['value'], body.get('if', 'true')))
            elif kind == 'node':
                _check_node(body)
                nodes.append(body)
            else:
                raise UsageError('unknown entry')
        except UsageError as error:
            name = body.get('name') or body.get('exec')
            raise UsageError(
                f'{path}: {kind} {name}: {error}; teach it to tools/stack.py or leave it out'
            ) from error
    return Stack(path, tuple(arguments), tuple(settings), tuple(nodes))


def _check(
    body: Mapping[str, Any], required: AbstractSet[str], optional: AbstractSet[str] = frozenset()
) -> None:
    if missing := required - body.keys():
        raise UsageError(f'{sorted(missing)[0]} is missing')
    if unknown := body.keys() - required - optional:
        raise UsageError(f'{sorted(unknown)[0]!r} is unknown')
    for key in required:
        if not isinstance(body[key], str):
            raise UsageError(f'{key} is not a string (quote it)')


def _check_node(body: Mapping[str, Any]) -> None:
    _check(
        body,
        {'pkg', 'exec'},
        {
            'name',
            'namespace',
            'if',
            'output',
            'args',
            'param',
            'sigterm_timeout',
            'sigkill_timeout',
        },
    )
    for parameter in body.get('param', []):
        if 'from' in parameter:
            _check(parameter, {'from'})
        else:
            _check(parameter, {'name', 'value', 'type'})
            if parameter['type'] != 'str':
                raise UsageError(f'parameter {parameter["name"]} has a type other than str')


def _is_true(template: str, scope: Scope) -> bool:
    text = scope.expand(template)
    if (truth := _TRUTH.get(text.strip().lower())) is None:
        raise UsageError(
            f'{_named(template, text)} is neither true nor false; accepted: {", ".join(_TRUTH)}'
        )
    return truth


def _named(template: str, text: str) -> str:
    """Return `NAME:=text` where the template is that argument alone, for an error message."""
    argument = re.fullmatch(r'\$\(var (\w+)\)', template)
    return f'{argument[1]}:={text}' if argument else text


def _process(node: Mapping[str, Any], scope: Scope) -> Process:
    namespace = '/' + _namespace(node.get('namespace', ''), scope).strip('/')
    name = node.get('name')
    # No quoting here: a word ends at a space outside of $(…), and a value is never split.
    words = re.findall(r'(?:\$\([^()]*\)|\S)+', node.get('args', ''))
    return Process(
        label=name or node['exec'],
        package=node['pkg'],
        executable=node['exec'],
        arguments=tuple(scope.expand(word) for word in words),
        ros_arguments=(*(('-r', f'__node:={name}') if name else ()), '-r', f'__ns:={namespace}'),
        node_key=f'{namespace.rstrip("/")}/{name}' if name else '/**',
        parameters=tuple(_parameter(entry, scope) for entry in node.get('param', [])),
        sigterm_timeout_s=node.get('sigterm_timeout', TIMEOUT_S),
        sigkill_timeout_s=node.get('sigkill_timeout', TIMEOUT_S),
    )


def _namespace(template: str, scope: Scope) -> str:
    namespace = scope.expand(template)
    if not _NAMESPACE.fullmatch(namespace):
        raise UsageError(
            f'{_named(template, namespace)} is not a ROS namespace; accepted: names '
            f'of letters, digits and _ that start with no digit, joined by /'
        )
    return namespace


def _parameter(entry: Mapping[str, str], scope: Scope) -> Path | dict[str, str]:
    if 'from' not in entry:
        return {entry['name']: scope.expand(entry['value'])}
    path = Path(scope.expand(entry['from']))
    if not path.is_file():
        raise UsageError(
            f'{_named(entry["from"], str(path))}: no such parameter file; give one that exists'
        )
    return path
