"""Who publishes, subscribes and serves what, for the viewers' graph of topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo


class ConnectionGraph(NamedTuple):
    """Full names of nodes, by the topics that they publish and subscribe to, and services."""

    publishers: Mapping[str, list[str]] = {}
    subscribers: Mapping[str, list[str]] = {}
    providers: Mapping[str, list[str]] = {}

    def update_from(self, before: ConnectionGraph) -> dict[str, object] | None:
        """Return the protocol's message that makes this graph of the one before, None for none."""
        topics = self.publishers.keys() | self.subscribers.keys()
        gone = (before.publishers.keys() | before.subscribers.keys()) - topics
        update: dict[str, Sequence[object]] = {
            'publishedTopics': _changed(self.publishers, before.publishers, 'publisherIds', gone),
            'subscribedTopics': _changed(
                self.subscribers, before.subscribers, 'subscriberIds', gone
            ),
            'advertisedServices': _changed(
                self.providers, before.providers, 'providerIds',
                before.providers.keys() - self.providers.keys(),
            ),
            'removedTopics': sorted(gone),
            'removedServices': sorted(before.providers.keys() - self.providers.keys()),
        }
        if not any(update.values()):
            return None
        return {'op': 'connectionGraphUpdate', **update}


def _changed(
    now: Mapping[str, list[str]], before: Mapping[str, list[str]], field: str, gone: set[str]
) -> list[object]:
    """Return what differs; of a topic that lost its last node here, and is still there, []."""
    names = sorted((now.keys() | before.keys()) - gone)
    return [
        {'name': name, field: now.get(name, [])} for name in names
        if now.get(name, []) != before.get(name, [])
    ]


def read_graph(node: Node, include_hidden: bool) -> ConnectionGraph:
    """Return the ROS graph as the node sees it now."""
    publishers: dict[str, list[str]] = {}
    subscribers: dict[str, list[str]] = {}
    for topic, _ in node.get_topic_names_and_types():
        if not include_hidden and '/_' in topic:
            continue
        for found, endpoints in (
            (publishers, node.get_publishers_info_by_topic(topic)),
            (subscribers, node.get_subscriptions_info_by_topic(topic)),
        ):
            if endpoints:
                found[topic] = _names(endpoints)
    providers: dict[str, set[str]] = {}
    for name, namespace in node.get_node_names_and_namespaces():
        for service, _ in _services(node, name, namespace):
            if include_hidden or '/_' not in service:
                providers.setdefault(service, set()).add(_full_name(name, namespace))
    return ConnectionGraph(
        publishers, subscribers, {service: sorted(each) for service, each in providers.items()}
    )


def _services(node: Node, name: str, namespace: str) -> list[tuple[str, list[str]]]:
    try:
        return list(node.get_service_names_and_types_by_node(name, namespace))
    except RuntimeError:
        return []  # the node went away meanwhile


def _names(endpoints: list[TopicEndpointInfo]) -> list[str]:
    return sorted({_full_name(each.node_name, each.node_namespace) for each in endpoints})


def _full_name(name: str, namespace: str) -> str:
    return f'{namespace.rstrip("/")}/{name}'
