"""What the api may do, as its configuration file says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator
import yaml

from twinsight_bridge.commands.mapping import MappingSettings
from twinsight_store.errors import ConfigurationError
from twinsight_store.parameters import check_parameter_files, Settings, validated

_BLOCKS = ('/**', '/*', '/api', 'api')


class ActingSettings(Settings):
    """Robots and their commands, recorders, and the bridge that has the replay sessions."""

    bridge_url: str = Field(
        'http://127.0.0.1:8765',
        description='http://HOST:PORT of the bridge, as the api reaches it',
    )
    viewer_url: str = Field(
        '', description="ws://HOST:PORT of the bridge, as viewers reach it; '' for the port of "
        'bridge_url on the host that a request was sent to'
    )
    recorder_control: bool = Field(False, description='true or false')
    robots: dict[str, str] = Field(
        {}, description="robot id, or a pattern such as 'robot_*' → ROS namespace of its nodes"
    )
    commands: dict[str, MappingSettings] = Field(
        {}, description='command → topic, service or action, its type and fields'
    )

    @property
    def needs_ros(self) -> bool:
        """Return whether anything is to be sent into ROS."""
        return bool(self.commands) or self.recorder_control

    @field_validator('bridge_url')
    @classmethod
    def _is_http(cls, url: str) -> str:
        return _checked(url, 'http', 'https')

    @field_validator('viewer_url')
    @classmethod
    def _is_websocket(cls, url: str) -> str:
        return url and _checked(url, 'ws', 'wss')

    @classmethod
    def from_file(cls, file: str) -> ActingSettings:
        """
        Return what a file says, which has the form of a ROS parameter file.

        Unlike one of ROS it may have lists of objects. Raises ConfigurationError, with file and
        key.
        """
        arguments = ['--params-file', file]
        check_parameter_files(arguments)
        tree: dict[str, Any] = yaml.safe_load(Path(file).read_text())
        given: dict[str, Any] = {}
        for name in _BLOCKS:
            given |= tree.get(name, {}).get('ros__parameters') or {}
        if not given:
            raise ConfigurationError(
                f"{file}: nothing for the api: accepted is a block '/**' or 'api'"
            )
        return validated(cls, given, arguments)


def _checked(url: str, *schemes: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in schemes and parts.hostname and (parts.port is None or parts.port):
            return url.rstrip('/')
    except ValueError:
        pass
    raise ValueError(f'not of the form {schemes[0]}://HOST:PORT')
