"""The node's parameters while it runs: all can be read, rate and paused be changed."""

from __future__ import annotations

from collections.abc import Sequence
import threading

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from twinsight_replay.controls import Controls
from twinsight_replay.playing import Status
from twinsight_replay.replay_settings import ReplaySettings

_LIVE = ('rate', 'paused')


def declare_all(node: Node, settings: ReplaySettings) -> None:
    """Declare what was not given, so that tools list every parameter with its value."""
    for name, field in ReplaySettings.model_fields.items():
        key, value = field.alias or name, getattr(settings, name)
        if isinstance(value, tuple):
            value = list(value) or ''  # ROS has no empty list without a type
        elif isinstance(value, int) and not isinstance(value, bool):
            value = int(value)
        if value is not None and not node.has_parameter(key):
            node.declare_parameter(key, value, ParameterDescriptor(
                description=field.description or '', read_only=key not in _LIVE,
                dynamic_typing=True,
            ))


class LiveParameters:
    """Keeps ``rate`` and ``paused`` of a node what they are; all others cannot be changed."""

    def __init__(self, node: Node, controls: Controls) -> None:
        self._node = node
        self._controls = controls
        self._teller: int | None = None  # the thread that tells, whose changes are no wishes
        node.add_on_set_parameters_callback(self._set)

    def tell(self, status: Status) -> None:
        """Make the parameters what services or keys have made of rate and paused."""
        values = {'rate': status.rate, 'paused': status.paused}
        changed = [
            Parameter(name, value=value)
            for name, value in values.items()
            if not self._node.has_parameter(name) or self._node.get_parameter(name).value != value
        ]
        if changed:
            self._teller = threading.get_ident()
            self._node.set_parameters(changed)
            self._teller = None

    def _set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        if self._teller == threading.get_ident():
            return SetParametersResult(successful=True)
        reasons = [reason for each in parameters if (reason := self._reason_against(each))]
        if reasons:
            return SetParametersResult(successful=False, reason='; '.join(reasons))
        for each in parameters:
            if each.name == 'rate':
                self._controls.set_rate(float(each.value))
            else:
                (self._controls.pause if each.value else self._controls.resume)()
        return SetParametersResult(successful=True)

    def _reason_against(self, parameter: Parameter) -> str:
        name, value = parameter.name, parameter.value
        if name == 'rate':
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            return '' if is_number and value > 0 else f'rate {value}: accepted is a number above 0'
        if name == 'paused':
            return '' if isinstance(value, bool) else f'paused {value}: accepted is true or false'
        return f'{name}: only rate and paused can be changed while it plays'
