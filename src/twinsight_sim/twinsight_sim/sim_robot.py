"""The node: parameters in, messages out, on time."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import contextlib
import signal
import sys
import threading
import time

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from twinsight_sim.ahead import planned
from twinsight_sim.faults import ACCEPTED
from twinsight_sim.ledger import Ledger
from twinsight_sim.outbox import Outbox
from twinsight_sim.pace import Pace
from twinsight_sim.ros_parameters import settings_of
from twinsight_sim.schedule import SECOND_NS
from twinsight_sim.settings import SimSettings
from twinsight_sim.simulation import Simulation
from twinsight_store.errors import ConfigurationError
from twinsight_store.ros_arguments import ros_argument_errors, split_arguments

FLUSH_S = 2.0
"""Seconds that reliable subscribers have at the end to fetch what was sent."""

LEAD_NS = 100_000_000
"""From the end of the preparations to simulation time 0, to make the first messages in."""

EPILOG = f"""parameters (-p name:=value):
  seed                  fixes noise, wheel slip and first charge (1)
  duration              seconds to run, 0 until stopped (0)
  faults                list of faults, or one string with commas (none):
                        {ACCEPTED.replace(' (', chr(10) + ' ' * 24 + '(')}
  rates.SENSOR          Hz, 0 for none: camera 30, scan 10, costmap 2, odom 50, tf 50,
                        imu 200, battery 1, state 1, diagnostics 1
  image_size            width and height, multiples of 16 ([320, 240])
  frame_prefix          in front of every frame but map, for example robot_01/ ('')
  ledger                file for a line of JSON per published message ('')
  wait_for_subscribers  seconds to wait at most until every topic has a subscriber (0)

example:
  ros2 run twinsight_sim sim_robot --ros-args -r __ns:=/robot_01 -p frame_prefix:=robot_01/ \\
      -p duration:=30 -p faults:='obstacle_stop@10+5,sensor_gap:scan@12+2'

/tf and /tf_static are global; for a tree per robot add -r /tf:=tf -r /tf_static:=tf_static
"""


def run(node: Node, settings: SimSettings, ledger: Ledger, stop: threading.Event) -> str:
    """Publish until ``duration`` is over or ``stop`` is set; return the closing line."""
    outbox = Outbox(node, settings.rates, ledger)
    log = node.get_logger()
    if settings.wait_for_subscribers > 0.0:
        lonely = outbox.wait_for_subscribers(settings.wait_for_subscribers, stop.is_set)
        if lonely:
            log.warning(f'no subscriber on {", ".join(lonely)}; starting')
    simulation = Simulation(settings)
    end_ns = round(settings.duration * SECOND_NS)
    log.info(f'sim_robot: seed {settings.seed}, '
             + (f'{settings.duration:g} s' if end_ns else 'until stopped'))

    start_ns, pace = time.time_ns() + LEAD_NS, Pace(LEAD_NS)
    for message in planned(simulation, start_ns, end_ns):
        if not pace.wait(message.due_ns, stop.is_set):
            break
        outbox.send(message.key, message.data)
    else:
        pace.wait(end_ns, stop.is_set)

    outbox.flush(FLUSH_S)
    ledger.close(late=pace.late, seed=settings.seed, start_ns=start_ns)
    return (f'sim_robot: {ledger.messages} messages published on {ledger.topics} topics, '
            f'{pace.late} late')


def main(args: list[str] | None = None) -> int:
    """Run the node; 0 at its end or when stopped, 1 on a failure, 2 on a wrong parameter."""
    given = sys.argv if args is None else [sys.argv[0], *args]
    parser = argparse.ArgumentParser(
        prog='ros2 run twinsight_sim sim_robot', epilog=EPILOG,
        description='A simulated warehouse robot with known ground truth.',
        formatter_class=argparse.RawDescriptionHelpFormatter)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        own, ros = split_arguments(given)
        parser.parse_args(own)
        with _node(ros) as node:
            settings = settings_of(node, ros)
            print(run(node, settings, _ledger(settings), stop), flush=True)
    except ConfigurationError as error:
        print(f'sim_robot: {error}', file=sys.stderr)
        return 2
    except OSError as error:
        print(f'sim_robot: the ledger cannot be written: {error.strerror}', file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _node(arguments: list[str]) -> Iterator[Node]:
    """Make the node, and let a thread that sleeps in between answer its services."""
    with ros_argument_errors():
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        node = Node('sim_robot', automatically_declare_parameters_from_overrides=True)
    services = threading.Thread(target=_serve, args=(node,))
    services.start()
    try:
        yield node
    finally:
        rclpy.try_shutdown()
        services.join()


def _ledger(settings: SimSettings) -> Ledger:
    try:
        return Ledger(settings.ledger)
    except OSError as error:
        accepted = SimSettings.model_fields['ledger'].description
        raise ConfigurationError(
            f"ledger: '{settings.ledger}': {error.strerror}; accepted: {accepted}") from error


def _serve(node: Node) -> None:
    """Answer parameter requests; asleep but for those, the schedule needs no executor."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()


if __name__ == '__main__':
    sys.exit(main())
