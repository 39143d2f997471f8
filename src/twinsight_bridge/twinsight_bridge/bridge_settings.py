"""Settings of the bridge, under the names that foxglove_bridge gives them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from twinsight_bridge.front.settings import FrontSettings
from twinsight_store.parameters import Seconds

_EXPRESSIONS = 'a list of regular expressions, each for a whole name'

Capability = Literal[
    'clientPublish', 'parameters', 'parametersSubscribe', 'services', 'connectionGraph', 'assets'
]

_ALL: tuple[Capability, ...] = (
    'clientPublish', 'parameters', 'parametersSubscribe', 'services', 'connectionGraph', 'assets',
)

_ASSETS = (
    r'package://(?:[-\w%.]+/)*[-\w%.]+\.'
    r'(?:dae|fbx|glb|gltf|jpeg|jpg|mtl|obj|png|stl|tif|tiff|urdf|webp|xacro)'
)


class BridgeSettings(FrontSettings):
    """What viewers may see and do, and how topics are subscribed to."""

    topic_whitelist: tuple[str, ...] = Field(('.*',), description=_EXPRESSIONS)
    service_whitelist: tuple[str, ...] = Field(('.*',), description=_EXPRESSIONS)
    param_whitelist: tuple[str, ...] = Field(('.*',), description=_EXPRESSIONS)
    client_topic_whitelist: tuple[str, ...] = Field(('.*',), description=_EXPRESSIONS)
    asset_uri_allowlist: tuple[str, ...] = Field((_ASSETS,), description=_EXPRESSIONS)
    best_effort_qos_topic_whitelist: tuple[str, ...] = Field(
        ('(?!)',), description=_EXPRESSIONS
    )
    capabilities: tuple[Capability, ...] = Field(
        _ALL, description=f'a list of {", ".join(_ALL)}'
    )
    include_hidden: bool = Field(False, description='true or false')
    min_qos_depth: int = Field(1, ge=1, description='messages, from 1')
    max_qos_depth: int = Field(1000, ge=1, description='messages, from 1')
    buckets: tuple[str, ...] = Field(
        ('twinsight',), min_length=1, description='a list of buckets whose records are replayed'
    )
    max_sessions: int = Field(8, ge=1, description='replay sessions at a time')
    session_grace: Seconds = Field(
        60.0, gt=0, description='a duration: seconds, or with a unit (500ms, 30s)'
    )
    service_timeout: Seconds = Field(
        30.0, gt=0, description='a duration: seconds, or with a unit (500ms, 30s)'
    )
    parameter_timeout: Seconds = Field(
        1.0, gt=0, description='a duration: seconds, or with a unit (500ms, 30s)'
    )
