"""
The bridge node: the live robot and what was recorded of it for Foxglove, over a WebSocket.

Parameters: see config/bridge.yaml and bridge_settings.py, under the names of foxglove_bridge.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import threading

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from twinsight_bridge.bridge_settings import BridgeSettings
from twinsight_bridge.front.front import Front
from twinsight_bridge.live.live_server import LiveServer
from twinsight_bridge.node_log import NodeLog
from twinsight_bridge.playback.sessions import SessionRules, Sessions
from twinsight_bridge.playback.viewing import Viewing
from twinsight_store.exit_code import exit_code_of
from twinsight_store.freed_memory import keep_freed_memory
from twinsight_store.parameters import validated
from twinsight_store.ros_arguments import ros_argument_errors, split_arguments

_EXAMPLE = """examples:
  ros2 run twinsight_bridge bridge
  ros2 run twinsight_bridge bridge --ros-args -p port:=8766 -p address:=127.0.0.1
  ros2 run twinsight_bridge bridge --ros-args --params-file bridge.yaml

Then open ws://localhost:8765 in Foxglove, or, to play what was recorded,
ws://localhost:8765/replay?robot=robot_05&mission=mission_42
"""


def main(arguments: list[str] | None = None) -> int:
    """Serve viewers until a signal comes; return the exit code."""
    arguments = sys.argv if arguments is None else arguments
    try:
        return exit_code_of('bridge', lambda: _run(arguments))
    finally:
        rclpy.try_shutdown()


def _run(arguments: list[str]) -> int:
    own, ros = split_arguments(arguments)
    argparse.ArgumentParser(
        prog='bridge', description=(__doc__ or '').strip(), epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(own)
    keep_freed_memory()
    with ros_argument_errors():
        rclpy.init(args=ros, signal_handler_options=SignalHandlerOptions.NO)
        node = Node(
            'bridge', allow_undeclared_parameters=True,
            automatically_declare_parameters_from_overrides=True,
        )
    given = {name: each.value for name, each in node.get_parameters_by_prefix('').items()}
    settings = validated(BridgeSettings, given, ros)
    log = logging.getLogger('twinsight_bridge')
    log.setLevel(logging.INFO)
    log.addHandler(NodeLog(node))
    log.propagate = False
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=_spin, args=(executor,), name='twinsight-ros')
    thread.start()
    try:
        asyncio.run(_serve(node, settings, bool(given.get('use_sim_time'))))
    finally:
        executor.shutdown()
        thread.join()
        node.destroy_node()
    return 0


async def _serve(node: Node, settings: BridgeSettings, use_sim_time: bool) -> None:
    stopped = asyncio.Event()
    _stop_on_signals(asyncio.get_running_loop(), stopped)
    live = LiveServer(node, settings, use_sim_time)
    front = Front(settings, live.viewer)
    sessions = Sessions(SessionRules(
        max_sessions=settings.max_sessions, grace_s=settings.session_grace,
        buckets=settings.buckets,
    ))
    Viewing(front, sessions)
    try:
        port = await front.start()
        scheme = 'wss' if settings.tls else 'ws'
        node.get_logger().info(f'open {scheme}://{_host(settings.address)}:{port} in Foxglove')
        await stopped.wait()
    finally:
        await front.stop()
        await sessions.aclose()
        await live.stop()


def _stop_on_signals(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    """End in good order, also where a second signal comes, as ros2 launch sends it, meanwhile."""

    def stop(*_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(stopped.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)  # those of the loop would end with it


def _host(address: str) -> str:
    """Return what to write into an URL for an address to listen at."""
    if address in ('0.0.0.0', '::', ''):
        return 'localhost'
    return f'[{address}]' if ':' in address else address


def _spin(executor: SingleThreadedExecutor) -> None:
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()


if __name__ == '__main__':
    sys.exit(main())
