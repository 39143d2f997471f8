"""ROS parameters of a node → settings, and the settings back as the node's parameters."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from twinsight_sim.settings import Rates, SimSettings
from twinsight_store.parameters import validated


def settings_of(node: Node, arguments: Sequence[str]) -> SimSettings:
    """
    Read and check the parameters given to a node, then declare the others at their defaults.

    The node is made with ``automatically_declare_parameters_from_overrides=True``;
    ``arguments`` is its command line. Raises ConfigurationError.
    """
    given = {name: _plain(parameter.value)
             for name, parameter in node.get_parameters_by_prefix('').items()}
    settings = validated(SimSettings, given, arguments)
    _declare_defaults(node)
    node.add_on_set_parameters_callback(_refuse)
    return settings


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (array, np.ndarray)) else value


def _declare_defaults(node: Node) -> None:
    fields = {**SimSettings.model_fields,
              **{f'rates.{name}': field for name, field in Rates.model_fields.items()}}
    del fields['rates']
    unset = {'faults': [''], 'image_size': [320, 240], 'ledger': ''}
    for name, field in fields.items():
        if not node.has_parameter(name):
            described = ParameterDescriptor(description=field.description or '', read_only=True)
            node.declare_parameter(name, unset.get(name, field.default), described)


def _refuse(parameters: list[Parameter]) -> SetParametersResult:
    names = ', '.join(parameter.name for parameter in parameters)
    return SetParametersResult(
        successful=False, reason=f'{names}: sim_robot reads its parameters when it starts')
