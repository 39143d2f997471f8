"""All commands: the built-in ones, and those that the configuration adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import re
from typing import Any

from twinsight_bridge.commands.built_in import BUILT_IN, BuiltIn
from twinsight_bridge.commands.errors import NotMappedError, UnknownNameError
from twinsight_bridge.commands.mapping import MappingSettings
from twinsight_bridge.commands.parameter import Body, ParameterSettings
from twinsight_bridge.commands.template import Template
from twinsight_bridge.live.json_message import fill
from twinsight_store.errors import ConfigurationError
from twinsight_store.field_steps import hint
from twinsight_store.message_types import UnknownTypeError

_NAME = re.compile(r'[a-z][a-z0-9_]{0,63}')
_GIVEN: Mapping[str, Any] = {
    'robot_id': 'robot_05', 'namespace': '/robot_05', 'operator': 'anna',
    'now': {'sec': 0, 'nanosec': 0},
}
"""What may be placed into any command besides its parameters, with samples."""


class Definition:
    """
    A command that can be asked for.

    description  for people
    parameters   name → what is accepted
    mapping      None where the configuration has none
    """

    def __init__(
        self, name: str, built_in: BuiltIn | None, mapping: MappingSettings | None, where: str
    ) -> None:
        """Make one; raises ConfigurationError where the mapping does not fit."""
        self.name = name
        self.mapping = mapping
        known = built_in.parameters if built_in else {}
        own = mapping.parameters if mapping else {}
        self.parameters: Mapping[str, ParameterSettings] = {**known, **own}
        self.description = (mapping and mapping.description) or (
            built_in.description if built_in else ''
        )
        if mapping:
            mapping.check(where)
        for parameter, changed in own.items():
            _check_parameter(f'{where}.parameters.{parameter}', parameter, changed, known)
        self.body = Body(self.parameters)
        self._template = Template({})
        if mapping:
            self._fit(mapping, f'{where}.fields')

    @property
    def problem(self) -> str:
        """Return why it cannot be asked for now; '' where it can."""
        if self.mapping is None:
            return (
                f'{self.name} is not mapped: say in commands of the configuration to which topic, '
                'service or action'
            )
        try:
            self.mapping.ros_class()
        except UnknownTypeError as error:
            return f'{self.name} cannot be sent from here: {error}'
        return ''

    def message(self, values: Mapping[str, Any]) -> Any:
        """Return the message, request or goal that values make; raises ConfigurationError."""
        if self.mapping is None or self.problem:
            raise NotMappedError(self.problem)
        made = self.mapping.message()
        try:
            fill(made, self._template.filled(values))
        except ValueError as error:
            raise ConfigurationError(f'{self.name}: {error}') from error
        return made

    def _fit(self, mapping: MappingSettings, where: str) -> None:
        """Try the mapping with samples: fields and types are found to be wrong at the start."""
        samples = {name: each.sample for name, each in self.parameters.items()} | dict(_GIVEN)
        try:
            self._template = Template(mapping.fields)
            self._template.filled(samples)
        except ConfigurationError as error:
            raise ConfigurationError(f'{where}.{error}') from error
        if self.problem:
            return
        try:
            self.message(samples)
        except ConfigurationError as error:
            raise ConfigurationError(
                f'{where}: {str(error).removeprefix(f"{self.name}: ")}; they are those of '
                f'{mapping.type}'
            ) from error


class Catalog:
    """All commands by name."""

    def __init__(self, mappings: Mapping[str, MappingSettings], where: str) -> None:
        """Make it; raises ConfigurationError."""
        for name in mappings:
            if not _NAME.fullmatch(name):
                raise ConfigurationError(
                    f"{where}.{name}: accepted are small letters, digits and '_', a letter first"
                )
        self._definitions = {
            name: Definition(name, BUILT_IN.get(name), mappings.get(name), f'{where}.{name}')
            for name in {**BUILT_IN, **mappings}
        }

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._definitions.values())

    def __getitem__(self, name: str) -> Definition:
        """Return a command; raises UnknownNameError."""
        if name not in self._definitions:
            raise UnknownNameError(f'no command {name!r}{hint(name, list(self._definitions))}')
        return self._definitions[name]


def _check_parameter(
    where: str, name: str, own: ParameterSettings, known: Mapping[str, ParameterSettings]
) -> None:
    if not name.isidentifier() or name in _GIVEN:
        raise ConfigurationError(
            f"{where}: accepted are letters, digits and '_', and not {', '.join(_GIVEN)}"
        )
    if name in known and own.type != known[name].type:
        raise ConfigurationError(
            f'{where}.type: {own.type}: the type of this built-in one is {known[name].type}'
        )
