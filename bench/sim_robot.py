#!/usr/bin/env python3
"""
What the simulated robot costs, beside a loop that only publishes the same messages.

Both run at the same time, so that what else the machine does falls on both alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
import json
import os
from pathlib import Path
import statistics
import subprocess
import sys
import time

import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rich.console import Console
from rich.progress import track
from rich.table import Table

from twinsight_sim.ahead import planned
from twinsight_sim.outbox import QOS
from twinsight_sim.schedule import SECOND_NS
from twinsight_sim.settings import SimSettings
from twinsight_sim.simulation import Simulation
from twinsight_sim.topics import TOPICS
from twinsight_tools.ros_domain import own_ros_domain

WINDOWS = 6
SETTLE_S = 5.0
BARE_S = 5
"""Seconds of messages that the bare loop holds ready."""

ROBOT = [sys.executable, '-m', 'twinsight_sim.sim_robot', '--ros-args']
COMMANDS = {
    'sim_robot': ROBOT,
    'sim_robot without camera': [*ROBOT, '-p', 'rates.camera:=0.0'],
    'bare publishing loop': [sys.executable, __file__, '--bare'],
}


def main() -> int:
    """Measure, print a table and, on request, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: tools/env .venv/bin/python bench/sim_robot.py --seconds 30')
    parser.add_argument('--seconds', type=float, default=30.0, help='how long to measure (30)')
    parser.add_argument('--json', type=Path, help='a file for the numbers')
    parser.add_argument('--bare', action='store_true', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        publish_only()
        return 0
    shares = measure(options.seconds)
    medians = {name: statistics.median(values) for name, values in shares.items()}
    floor = medians['bare publishing loop']
    table = Table(title=f'percent of a core, {len(os.sched_getaffinity(0))} cores, '
                        f'{WINDOWS} windows of {options.seconds / WINDOWS:g} s, all at once')
    table.add_column('program')
    for title in ('median', 'least', 'most', 'ratio to bare'):
        table.add_column(title, justify='right')
    for name, values in shares.items():
        numbers = (medians[name], min(values), max(values), medians[name] / floor)
        table.add_row(name, *(f'{number:.2f}' for number in numbers))
    Console().print(table)
    if options.json is not None:
        options.json.write_text(json.dumps({'percent_of_a_core': shares}, indent=2) + '\n')
    return 0


def measure(seconds: float) -> dict[str, list[float]]:
    """Run all programs at once; return the percentages of a core, one for each window."""
    shares: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with ExitStack() as stack:
        env = {**os.environ, 'ROS_DOMAIN_ID': str(stack.enter_context(own_ros_domain())),
               'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
        programs = {}
        for name, command in COMMANDS.items():
            program = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            stack.callback(program.wait)
            stack.callback(program.terminate)
            programs[name] = program
        time.sleep(SETTLE_S)
        for _ in track(range(WINDOWS), 'measuring', transient=True):
            before = {name: cpu_ns(each.pid) for name, each in programs.items()}
            start_ns = time.monotonic_ns()
            time.sleep(seconds / WINDOWS)
            took_ns = time.monotonic_ns() - start_ns
            for name, each in programs.items():
                shares[name].append(100.0 * (cpu_ns(each.pid) - before[name]) / took_ns)
    return shares


def cpu_ns(pid: int) -> int:
    """Return the processor time of all threads of a process so far (ns)."""
    threads = Path(f'/proc/{pid}/task').iterdir()
    return sum(int((thread / 'schedstat').read_text().split()[0]) for thread in threads)


def publish_only() -> None:
    """Publish the robot's messages at their times, made beforehand, until terminated."""
    rclpy.init()
    node = Node('bare_loop')
    publishers: dict[str, Publisher] = {
        key: node.create_publisher(topic.type, topic.name, QOS[topic.delivery])
        for key, topic in TOPICS.items()}
    start_s = time.monotonic()
    for due_s, key, data in over_and_over():
        left_s = start_s + due_s - time.monotonic()
        if left_s > 0.0:
            time.sleep(left_s)
        publishers[key].publish(data)


def over_and_over() -> Iterator[tuple[float, str, bytes]]:
    """Yield time (s), key in ``TOPICS`` and bytes of the robot's messages, without end."""
    messages = list(planned(Simulation(SimSettings()), time.time_ns(), BARE_S * SECOND_NS))
    turn = 0
    while True:
        for message in messages:
            yield turn * BARE_S + message.due_ns / SECOND_NS, message.key, message.data
        turn += 1


if __name__ == '__main__':
    sys.exit(main())
