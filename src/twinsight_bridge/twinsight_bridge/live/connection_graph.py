"""Who publishes, subscribes and serves what, for the viewers' graph of topics."""

from __future__ import annotations

from foxglove import ConnectionGraph
from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo


def connection_graph(node: Node, include_hidden: bool) -> ConnectionGraph:
    """Return the ROS graph as the node sees it now."""
    graph = ConnectionGraph()
    for topic, _ in node.get_topic_names_and_types():
        if not include_hidden and '/_' in topic:
            continue
        publishers = node.get_publishers_info_by_topic(topic)
        subscribers = node.get_subscriptions_info_by_topic(topic)
        if publishers:
            graph.set_published_topic(topic, _names(publishers))
        if subscribers:
            graph.set_subscribed_topic(topic, _names(subscribers))
    providers: dict[str, list[str]] = {}
    for name, namespace in node.get_node_names_and_namespaces():
        for service, _ in _services(node, name, namespace):
            if include_hidden or '/_' not in service:
                providers.setdefault(service, []).append(_full_name(name, namespace))
    for service, names in providers.items():
        graph.set_advertised_service(service, sorted(set(names)))
    return graph


def _services(node: Node, name: str, namespace: str) -> list[tuple[str, list[str]]]:
    try:
        return list(node.get_service_names_and_types_by_node(name, namespace))
    except RuntimeError:
        return []  # the node went away meanwhile


def _names(endpoints: list[TopicEndpointInfo]) -> list[str]:
    return sorted({_full_name(each.node_name, each.node_namespace) for each in endpoints})


def _full_name(name: str, namespace: str) -> str:
    return f'{namespace.rstrip("/")}/{name}'
