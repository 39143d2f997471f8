"""Parameters that are read once: who sets one later is told so, instead of being ignored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

_ROS_OWN = frozenset({'use_sim_time'})


def refuse_changes(node: Node) -> None:
    """Have a node refuse from now on to set or declare parameters, but for those of ROS itself."""

    def refuse(parameters: Sequence[Parameter[Any]]) -> SetParametersResult:
        fixed = [each.name for each in parameters if each.name not in _ROS_OWN]
        if not fixed:
            return SetParametersResult(successful=True)
        return SetParametersResult(
            successful=False,
            reason=f'{", ".join(fixed)}: read at the start only: restart the node to change it',
        )

    node.add_on_set_parameters_callback(refuse)
