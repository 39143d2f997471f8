"""How the configuration maps a command to ROS."""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import Any, Literal

from pydantic import Field

from twinsight_bridge.commands.action_types import action_class
from twinsight_bridge.commands.parameter import ParameterSettings
from twinsight_store.errors import ConfigurationError
from twinsight_store.message_types import message_class
from twinsight_store.parameters import Seconds, Settings
from twinsight_store.service_types import service_class

Way = Literal['topic', 'service', 'action']

_WAYS: Mapping[Way, str] = {'topic': 'msg', 'service': 'srv', 'action': 'action'}
_CLASSES: Mapping[Way, Any] = {
    'topic': message_class, 'service': service_class, 'action': action_class,
}
_NAME = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)+')
_TYPE = re.compile(r'[A-Za-z]\w*/(msg|srv|action)/[A-Za-z]\w*', re.ASCII)
_A_DURATION = 'a duration: seconds, or with a unit (500ms, 30s)'
_A_NAME = "may begin with {namespace} and hold {robot_id}, such as '{namespace}/cmd_vel'"


class MappingSettings(Settings):
    """What a command is: a message on a topic, the call of a service, or the goal of an action."""

    topic: str = Field('', description=f'name of a topic; it {_A_NAME}')
    service: str = Field('', description=f'name of a service; it {_A_NAME}')
    action: str = Field('', description=f'name of an action; it {_A_NAME}')
    type: str = Field(description='package/msg/Type, package/srv/Type or package/action/Type')
    fields: dict[str, Any] = Field(
        {}, description='fields of the message, of the request or of the goal → {parameter} or '
        'a constant'
    )
    parameters: dict[str, ParameterSettings] = Field(
        {}, description='name → type, default, description, unit, least, most, choices'
    )
    description: str = Field('', description='a text for people')
    cancel: tuple[str, ...] = Field(
        (), description='a list of names of actions, of which all goals are cancelled as well, '
        'whoever asked for them'
    )
    wait: Seconds = Field(3.0, gt=0, description=f'{_A_DURATION}, for a server or subscriber')
    timeout: Seconds = Field(10.0, gt=0, description=f'{_A_DURATION}, for an answer')
    time_limit: Seconds | None = Field(
        None, gt=0, description=f'{_A_DURATION}, after which a goal is cancelled'
    )
    duration: Seconds = Field(
        0.0, ge=0, description=f'{_A_DURATION}, for which a message is published again and again'
    )
    rate: float = Field(10.0, gt=0, le=1000, description='messages a second, while duration lasts')

    @property
    def way(self) -> Way:
        """Return what it is."""
        return 'topic' if self.topic else 'service' if self.service else 'action'

    @property
    def name(self) -> str:
        """Return the name as it is written."""
        return self.topic or self.service or self.action

    def ros_class(self) -> Any:
        """Return the class of its type; raises UnknownTypeError."""
        return _CLASSES[self.way](self.type)

    def message(self) -> Any:
        """Return a new message, request or goal; raises UnknownTypeError."""
        cls = self.ros_class()
        return {'topic': lambda: cls(), 'service': lambda: cls.Request(),
                'action': lambda: cls.Goal()}[self.way]()

    def check(self, where: str) -> None:
        """Raise ConfigurationError where its keys do not fit each other."""
        given = [way for way in _WAYS if getattr(self, way)]
        if len(given) != 1:
            raise ConfigurationError(
                f'{where}: {" and ".join(given) or "neither topic, service nor action"} given: '
                'accepted is one of topic, service and action'
            )
        kind = _TYPE.fullmatch(self.type)
        if not kind or kind[1] != _WAYS[self.way]:
            raise ConfigurationError(
                f'{where}.type: {self.type!r}: accepted for a {self.way} is '
                f'package/{_WAYS[self.way]}/Type'
            )
        resolved(self.name, 'robot', '/ns', f'{where}.{self.way}')
        for number, name in enumerate(self.cancel):
            resolved(name, 'robot', '/ns', f'{where}.cancel[{number}]')
        for key, way in (('time_limit', 'action'), ('duration', 'topic'), ('rate', 'topic')):
            if key in self.model_fields_set and self.way != way:
                raise ConfigurationError(f'{where}.{key}: accepted only with {way}')
        for name, parameter in self.parameters.items():
            parameter.check(f'{where}.parameters.{name}')


def resolved(name: str, robot_id: str, namespace: str, where: str) -> str:
    """Return a robot's name in ROS; raises ConfigurationError where that is none."""
    found = name.replace('{namespace}', namespace).replace('{robot_id}', robot_id)
    if not _NAME.fullmatch(found) or '__' in found:
        raise ConfigurationError(
            f'{where}: {name!r}: {found!r} is no full name in ROS: accepted are names as '
            "'{namespace}/cmd_vel' or '/cmd_vel', of letters, digits and '_'"
        )
    return found
