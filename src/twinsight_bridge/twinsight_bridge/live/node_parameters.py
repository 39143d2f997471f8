"""The parameters of one ROS node, through its parameter services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterValue, SetParametersResult
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters
from rclpy.client import Client
from rclpy.node import Node

from twinsight_bridge.live.ros_call import ros_call


class NodeParameters:
    """Gets and sets the parameters of one node; TimeoutError where that does not answer."""

    def __init__(self, node: Node, name: str, timeout_s: float) -> None:
        """Make one for the node of the full name, asking through ours."""
        self._node = node
        self._name = name
        self._timeout_s = timeout_s
        self._clients: dict[str, Client] = {}

    async def all(self) -> dict[str, ParameterValue]:
        """Return all parameters by name."""
        request = ListParameters.Request(depth=ListParameters.Request.DEPTH_RECURSIVE)
        listed = await self._call(ListParameters, 'list_parameters', request)
        return await self.get(listed.result.names)

    async def get(self, names: Sequence[str]) -> dict[str, ParameterValue]:
        """Return the values of parameters; of those that are not declared, one that is not set."""
        if not names:
            return {}
        request = GetParameters.Request(names=list(names))
        found = await self._call(GetParameters, 'get_parameters', request)
        return dict(zip(names, found.values, strict=False))

    async def set(self, values: Mapping[str, ParameterValue]) -> dict[str, SetParametersResult]:
        """Set parameters, each for itself; return what became of each."""
        request = SetParameters.Request(
            parameters=[Parameter(name=name, value=value) for name, value in values.items()]
        )
        done = await self._call(SetParameters, 'set_parameters', request)
        return dict(zip(values, done.results, strict=False))

    def end(self) -> None:
        """Forget the node."""
        for client in self._clients.values():
            self._node.destroy_client(client)
        self._clients.clear()

    async def _call(self, kind: Any, name: str, request: Any) -> Any:
        client = self._clients.get(name)
        if client is None:
            client = self._node.create_client(kind, f'{self._name}/{name}')
            self._clients[name] = client
        return await ros_call(client, request, self._timeout_s)
