"""The ROS side of a running replay: services, status, /clock, live parameters."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from twinsight_replay.controls import Controls
from twinsight_replay.live_parameters import LiveParameters
from twinsight_replay.periodic import Periodic
from twinsight_replay.playing import State
from twinsight_replay.services import Services
from twinsight_replay.sim_clock import SimClock
from twinsight_replay.status_topic import PERIOD_S, StatusTopic

_THREADS = 4  # a burst may keep one busy for long; pausing and stopping it still works


class RosSide:
    """Serves a node in threads of its own while the block runs."""

    def __init__(
        self, node: Node, controls: Controls, status: StatusTopic, clock: SimClock | None,
        clock_hz: float,
    ) -> None:
        """Make one; clock_hz 0 leaves /clock to who plays."""
        self._controls = controls
        self._status = status
        self._clock = clock
        self._services = Services(node, controls)
        self._parameters = LiveParameters(node, controls)
        self._repeated = [Periodic(PERIOD_S, self._tell_status, 'twinsight-status')]
        if clock_hz:
            self._repeated.append(Periodic(1 / clock_hz, self._tell_time, 'twinsight-clock'))
        self._executor = MultiThreadedExecutor(_THREADS)
        self._executor.add_node(node)
        self._over: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, name='twinsight-serve')

    def __enter__(self) -> RosSide:
        self._thread.start()
        for each in self._repeated:
            each.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._controls.end()  # or who asked before it played would wait for ever, and we for them
        for each in self._repeated:
            each.__exit__(None, None, None)
        self._tell_status()
        self._status.finish()
        # The executor's shutdown() would take from callbacks that still run what they need.
        self._over.set_result(None)
        self._executor.wake()
        self._thread.join()

    def _serve(self) -> None:
        self._executor.spin_until_future_complete(self._over)

    def _tell_status(self) -> None:
        now_ns = time.time_ns()  # first: of what a status tells, nothing is older than its stamp
        status = self._controls.status()
        self._parameters.tell(status)  # so who has heard the status finds them to be the same
        self._status.tell(status, now_ns)

    def _tell_time(self) -> None:
        if self._clock and self._controls.status().state is not State.STARTING:
            self._clock.follow(lambda: self._controls.status().position_ns)
