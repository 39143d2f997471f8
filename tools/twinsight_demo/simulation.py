"""The simulated robot, recorded: its raw topics and its metrics."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
import signal
import time

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions
from rich.console import Console

from twinsight_demo import sighting
from twinsight_demo.child import Child, executable
from twinsight_demo.metrics import SHOWN
from twinsight_demo.sighting import Sighting
from twinsight_demo.waiting import show_progress
from twinsight_tools.messages import ToolError

_CONFIG = Path(__file__).parents[2] / 'config'
_SUBSCRIBED_S = 20.0


def record_simulation(
    seconds: float, robot: str, mission: str, folder: Path, console: Console
) -> list[Sighting]:
    """Record the simulated robot; return what it published."""
    ledger = folder / 'ledger.jsonl'
    simulating = executable(
        'twinsight_sim', 'sim_robot', '--ros-args', '-p', f'duration:={seconds}',
        '-p', f'ledger:={ledger}', '-p', 'wait_for_subscribers:=20.0',
    )
    with (
        Child('metrics_recorder', _recorder('metrics_recorder', 'metrics.yaml', robot, mission),
              folder) as metrics,
        Child('robot', simulating, folder) as driving,
    ):
        # The robot starts when all its topics have a subscriber, as the recorder is. It comes
        # last, so that there is not a sample that the metrics recorder was too late for.
        _wait_until_subscribed(metrics, SHOWN.values())
        with Child('recorder', _recorder('recorder', 'recorder.yaml', robot, mission),
                   folder) as recorder:
            show_progress(console, 'the simulated robot drives and is recorded', seconds, driving)
            driving.finish(60.0)
            time.sleep(2.0)  # the last messages are on their way through DDS
            recorder.finish(30.0, ask=signal.SIGINT)
            metrics.finish(30.0, ask=signal.SIGINT)
    return sighting.read_ledger(ledger)


def _recorder(name: str, parameters: str, robot: str, mission: str) -> list[str]:
    return executable(
        'twinsight_recorder', name, '--ros-args', '--params-file', str(_CONFIG / parameters),
        '-p', f'robot_id:={robot}', '-p', f'mission_id:={mission}',
        '-p', 'diagnostics:=false',  # or the robot's /diagnostics are not all that is stored
    )


def _wait_until_subscribed(child: Child, topics: Iterable[str]) -> None:
    """Return when somebody listens to each topic; raises ToolError where the child does not."""
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node('demo', context=context)
        end = time.monotonic() + _SUBSCRIBED_S
        while lonely := [topic for topic in topics if not node.count_subscribers(topic)]:
            if not child.running or time.monotonic() > end:
                raise ToolError(
                    f'{child.name} did not subscribe to {", ".join(lonely)}:\n{child.text()}'
                )
            time.sleep(0.05)
    finally:
        context.try_shutdown()
