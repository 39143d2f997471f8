"""The parameters of every node as viewers get, set and watch them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
import logging
import time
from typing import Any

from rcl_interfaces.msg import ParameterEvent, ParameterType, ParameterValue
from rclpy.node import Node

from twinsight_bridge.bridge_settings import BridgeSettings
from twinsight_bridge.live import parameter_values
from twinsight_bridge.live.allowed import Allowed
from twinsight_bridge.live.node_parameters import NodeParameters

_SERVICE = '/list_parameters'
_SILENT_S = 30.0
"""A node that did not answer is left alone for so long."""

_log = logging.getLogger(__name__)

Name = tuple[str, str]
"""A node's full name and the name of its parameter."""


class LiveParameters:
    """
    Asks the nodes for their parameters, and keeps what is known.

    Viewers know a parameter as ``/node.parameter``. Only what asks for a node that is slow waits
    for it.
    """

    def __init__(self, node: Node, settings: BridgeSettings) -> None:
        """Make one that knows nothing."""
        self._node = node
        self._allowed = Allowed('param_whitelist', settings.param_whitelist)
        self._timeout_s = settings.parameter_timeout
        self._nodes: dict[str, NodeParameters] = {}
        self._values: dict[Name, ParameterValue] = {}
        self._silent_until: dict[str, float] = {}

    def known(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return parameters by the viewers' names, or all where none is named."""
        wanted = set(names)
        return [
            parameter_values.shown(_shown_name(name), value)
            for name, value in sorted(self._values.items(), key=lambda item: item[0])
            if value.type != ParameterType.PARAMETER_NOT_SET
            and _shown_name(name) in (wanted or self._allowed)
        ]

    async def fetch(self, names: Sequence[str]) -> None:
        """Bring up to date what is known of some parameters, or of all where none is named."""
        self._find_nodes()
        if not names:
            await self._at_once(self._fetch_all(each) for each in self._nodes)
            return
        wanted: dict[str, list[str]] = {}
        for name in names:
            owner, parameter = self._split(name)
            if name in self._allowed and owner in self._nodes:
                wanted.setdefault(owner, []).append(parameter)
        await self._at_once(self._fetch(*each) for each in wanted.items())

    async def change(self, given: Sequence[dict[str, Any]]) -> str:
        """Set parameters, each with ``name``, ``value``, ``type``; return what was not done."""
        problems: list[str] = []
        wanted: dict[str, dict[str, ParameterValue]] = {}
        self._find_nodes()
        for each in given:
            name = each['name']
            owner, parameter = self._split(name)
            if name not in self._allowed or owner not in self._nodes:
                problems.append(f'{name}: no such parameter, or param_whitelist leaves it out')
                continue
            try:
                declared = await self._declared(owner, parameter)
                value = parameter_values.given(each.get('value'), each.get('type'), declared)
                wanted.setdefault(owner, {})[parameter] = value
            except (ValueError, TimeoutError) as error:
                problems.append(f'{name}: {error}')
        for owner, values in wanted.items():
            problems += await self._change(owner, values)
        return '; '.join(problems)

    def changed(self, event: ParameterEvent) -> list[dict[str, Any]]:
        """Take in what a node says of its parameters; return them as viewers know them."""
        for each in event.deleted_parameters:
            self._values.pop((event.node, each.name), None)
        names = []
        for each in (*event.new_parameters, *event.changed_parameters):
            name = (event.node, each.name)
            if _shown_name(name) in self._allowed:
                self._values[name] = each.value
                names.append(_shown_name(name))
        return self.known(names) if names else []

    def _find_nodes(self) -> None:
        there = {
            service.removesuffix(_SERVICE)
            for service, _ in self._node.get_service_names_and_types()
            if service.endswith(_SERVICE) and self._node.count_services(service)
        }
        for gone in self._nodes.keys() - there:
            self._nodes.pop(gone).end()
            self._values = {name: v for name, v in self._values.items() if name[0] != gone}
        for new in there - self._nodes.keys():
            self._nodes[new] = NodeParameters(self._node, new, self._timeout_s)
            self._silent_until.pop(new, None)

    async def _fetch_all(self, owner: str) -> None:
        if time.monotonic() < self._silent_until.get(owner, 0.0):
            return
        values = await self._nodes[owner].all()
        self._values = {name: v for name, v in self._values.items() if name[0] != owner}
        self._take(owner, values)

    async def _fetch(self, owner: str, parameters: list[str]) -> None:
        self._take(owner, await self._nodes[owner].get(parameters))

    async def _declared(self, owner: str, parameter: str) -> int:
        if (owner, parameter) not in self._values:
            await self._fetch(owner, [parameter])
        value = self._values.get((owner, parameter))
        return ParameterType.PARAMETER_NOT_SET if value is None else int(value.type)

    async def _change(self, owner: str, values: dict[str, ParameterValue]) -> list[str]:
        try:
            results = await self._nodes[owner].set(values)
            await self._fetch(owner, list(values))
        except TimeoutError as error:
            return [f'{owner}: {error}']
        return [
            f'{_shown_name((owner, name))}: refused ({result.reason or "no reason given"})'
            for name, result in results.items() if not result.successful
        ]

    async def _at_once(self, fetches: Iterable[Any]) -> None:
        """Wait for all; what a node does not answer stays as it is known."""
        for done in await asyncio.gather(*fetches, return_exceptions=True):
            if isinstance(done, TimeoutError):
                owner = str(done).partition(_SERVICE)[0]
                self._silent_until[owner] = time.monotonic() + _SILENT_S
                _log.warning(f'parameters: {done}; not asked again for {_SILENT_S:.0f} s')
            elif isinstance(done, BaseException):
                _log.warning(f'parameters: {done}')

    def _take(self, owner: str, values: dict[str, ParameterValue]) -> None:
        for parameter, value in values.items():
            if _shown_name((owner, parameter)) in self._allowed:
                self._values[owner, parameter] = value

    def _split(self, name: str) -> Name:
        owner, _, parameter = name.partition('.')
        return owner, parameter


def _shown_name(name: Name) -> str:
    return f'{name[0]}.{name[1]}'
