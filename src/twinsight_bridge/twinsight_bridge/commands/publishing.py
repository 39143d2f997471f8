"""Commands that are a message on a topic."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from twinsight_bridge.commands.command import Command
from twinsight_bridge.commands.endpoints import Endpoints
from twinsight_bridge.commands.errors import NobodyThereError
from twinsight_bridge.commands.mapping import MappingSettings
from twinsight_bridge.commands.ros_node import until
from twinsight_store.ros_qos import is_latched

_ALL_MATCHED_S = 0.5
"""One that asks for another type or QoS is never connected: it holds up the others so long."""


async def publish(
    command: Command, message: Any, mapping: MappingSettings, endpoints: Endpoints
) -> None:
    """Publish a message, once or for a while; raises NobodyThereError."""
    node, topic = endpoints.ros.node, command.target.name
    if not await until(lambda: node.count_subscribers(topic), mapping.wait):
        raise NobodyThereError(
            f'nobody subscribes to {topic} ({mapping.type}): waited {mapping.wait:g} s for one'
        )
    asked_for = node.get_subscriptions_info_by_topic(topic)
    latched = any(is_latched(each.qos_profile) for each in asked_for)
    async with endpoints.publisher(topic, type(message), latched) as publisher:
        connected = publisher.get_subscription_count
        if not await until(connected, mapping.wait):
            raise NobodyThereError(
                f'who subscribes to {topic} is not reached, with another type than {mapping.type} '
                f'or another QoS: waited {mapping.wait:g} s'
            )
        if mapping.duration:
            command.runs()
        else:
            await until(lambda: connected() >= node.count_subscribers(topic), _ALL_MATCHED_S)
        command.sent = True
        end = time.monotonic() + mapping.duration
        while True:
            await endpoints.ros.run(lambda: publisher.publish(message))
            left_s = end - time.monotonic()
            if left_s <= 0:
                return
            await asyncio.sleep(min(1 / mapping.rate, left_s))
