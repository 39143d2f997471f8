"""How every node of this package runs: arguments, signals, turns, and the way it ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
import argparse
from collections.abc import Callable
from dataclasses import dataclass
import signal
import sys
import threading
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console

from twinsight_store.exit_code import exit_code_of, FAILED
from twinsight_store.ros_arguments import ros_argument_errors, split_arguments

_SPIN_PERIOD_S = 0.05
_WIDTH = 120


class RunningNode(Node, ABC):
    """A node and what it does besides its callbacks; each method may raise TwinsightError."""

    def begin(self) -> None:
        """Begin the work, where making the node has not."""

    @abstractmethod
    def turn(self) -> None:
        """Do what is due; raise where a thread ended by a defect."""

    @abstractmethod
    def finish(self) -> bool:
        """End the work, print its summary, return whether nothing is missing."""


@dataclass(frozen=True)
class NodeProgram:
    """
    A command that runs one node until SIGINT or SIGTERM.

    name         of the command, and of the node
    description  what --help says that it does
    example      what --help shows below
    make         makes the node of its ROS arguments
    turn_s       pause between two turns
    """

    name: str
    description: str
    example: str
    make: Callable[[list[str]], RunningNode]
    turn_s: float

    def run(self, arguments: list[str] | None = None) -> int:
        """Run the node; return the exit code, 1 where something is missing in the end."""
        arguments = sys.argv if arguments is None else arguments
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        try:
            return exit_code_of(self.name, lambda: self._run(arguments, stop))
        finally:
            rclpy.try_shutdown()

    def _run(self, arguments: list[str], stop: threading.Event) -> int:
        own, ros = split_arguments(arguments)
        argparse.ArgumentParser(
            prog=self.name, description=self.description, epilog=self.example,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        ).parse_args(own)
        with ros_argument_errors():
            rclpy.init(args=ros, signal_handler_options=SignalHandlerOptions.NO)
            node = self.make(ros)
        executor = SingleThreadedExecutor()
        try:
            executor.add_node(node)
            node.begin()
            return self._work(node, executor, stop)
        finally:
            executor.shutdown()  # left to the end of Python, it may come after that of ROS

    def _work(
        self, node: RunningNode, executor: SingleThreadedExecutor, stop: threading.Event
    ) -> int:
        spin_at = 0.0
        complete = False
        try:
            while not stop.is_set():
                # Not stop.wait(): the handler's stop.set() would wait for a lock that this
                # thread holds, where the signal comes in the middle of it.
                time.sleep(self.turn_s)
                node.turn()
                if time.monotonic() >= spin_at:
                    spin_at = time.monotonic() + _SPIN_PERIOD_S
                    executor.spin_once(timeout_sec=0.0)
        finally:
            complete = node.finish()
        return 0 if complete else FAILED


def summary_console() -> Console:
    """Return where a node prints its summary: as wide as the terminal, or as a usual one."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH)
