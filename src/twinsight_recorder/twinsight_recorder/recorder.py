"""
The recorder node: raw topics into ReductStore.

A lifecycle node that configures and activates itself, unless ``autostart`` is false.
Parameters: see config/recorder.yaml and raw/settings.py. Once a second it publishes
twinsight_interfaces/msg/RecorderStatus on ~/status, and /diagnostics.
"""

from __future__ import annotations

import sys

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.timer import Timer

from twinsight_recorder.mission.channel import TOPIC as MISSION_TOPIC
from twinsight_recorder.node_program import NodeProgram, RunningNode, summary_console
from twinsight_recorder.raw.control import Control
from twinsight_recorder.raw.recording import Mode, Recording
from twinsight_recorder.raw.settings import RecorderSettings
from twinsight_recorder.raw.status import StatusReport
from twinsight_recorder.raw.summary import is_complete, print_summary
from twinsight_store.errors import ConfigurationError
from twinsight_store.freed_memory import keep_freed_memory
from twinsight_store.parameters import validated

_EXAMPLE = """examples:
  ros2 run twinsight_recorder recorder --ros-args -p robot_id:=robot_05 -p mission_id:=mission_42
  ros2 run twinsight_recorder recorder --ros-args --params-file recorder.yaml
"""
_TURN_S = 0.02
_STATUS_PERIOD_S = 1.0


class RecorderNode(LifecycleNode, RunningNode):
    """
    Wires a recording to ROS: parameters, transitions, timers, services, status.

    complete  whether every accepted message of the recordings that ended is in the store
    refused   why the last configuration was not taken
    """

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(
            'recorder',
            allow_undeclared_parameters=True,
            automatically_declare_parameters_from_overrides=True,
        )
        for name in self.get_parameters_by_prefix(''):
            if not self.describe_parameter(name).read_only:
                # what was given with a wrong type can be set right
                self.set_descriptor(name, ParameterDescriptor(dynamic_typing=True))
        self.recording: Recording | None = None
        self.refused: ConfigurationError | None = None
        self.complete = True
        self._arguments = arguments
        self._managed = True
        self._active = False
        self._status: StatusReport | None = None
        self._control: Control | None = None
        self._timers_here: list[Timer] = []

    def read_settings(self) -> RecorderSettings:
        """Return the parameters as settings; raises ConfigurationError."""
        given = {name: p.value for name, p in self.get_parameters_by_prefix('').items()}
        return validated(RecorderSettings, given, self._arguments)

    def is_active(self) -> bool:
        """Return whether the node is in its active state."""
        return self._active

    def begin(self) -> None:
        """
        Configure and activate, unless a manager does.

        Raises ConfigurationError where that is refused. Whether a manager does is known
        without valid settings, for it is a manager that is then told what is wrong.
        """
        usual = Parameter('autostart', value=True)
        if self.get_parameter_or('autostart', usual).value is False:
            return
        self._managed = False
        self.trigger_configure()
        if self.refused is not None:
            raise self.refused
        self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters, and begin to send what the spool holds."""
        status_topic = self.resolve_topic_name('~/status')
        try:
            settings = self.read_settings()
            own_topics = [status_topic, self.resolve_topic_name(MISSION_TOPIC)]
            self.recording = Recording(self, settings, own_topics)
        except ConfigurationError as error:
            self.refused = error
            if self._managed:
                self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._status = StatusReport(self, self.recording, status_topic)
        self.recording.before_mission_change = self._status.publish
        self._control = Control(self, self.recording, self.is_active)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # /clock may stand still or go back
        self._timers_here = [
            self.create_timer(
                settings.discovery_period, self.recording.look_around, clock=steady
            ),
            self.create_timer(_STATUS_PERIOD_S, self._status.publish, clock=steady),
            self.create_timer(_STATUS_PERIOD_S, self.recording.look_at_losses, clock=steady),
        ]
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe, and record."""
        if self.recording is not None and self.recording.mode == Mode.STOPPED:
            self.recording.start()
        self._active = True
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the subscriptions; what was received goes on to the store."""
        if self.recording is not None and self.recording.mode != Mode.STOPPED:
            self.recording.stop()
        self._active = False
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Write what is left; say what was recorded."""
        self.finish()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Write what is left; say what was recorded."""
        self.finish()
        return TransitionCallbackReturn.SUCCESS

    def turn(self) -> None:
        """Take what has arrived; raise where the writing ended by a defect."""
        if self.recording is not None:
            if self.recording.pump.failure is not None:
                raise self.recording.pump.failure
            self.recording.take()

    def finish(self) -> bool:
        """End the recording where there is one, print its summary; return ``complete``."""
        recording, self.recording = self.recording, None
        self._active = False
        if recording is None:
            return self.complete
        recording.finish()
        for timer in self._timers_here:
            self.destroy_timer(timer)
        recording.close()
        if self._control is not None:
            self._control.close()
        if self._status is not None:
            self._status.publish()
            self._status.close()
        print_summary(summary_console(), recording)
        self.complete = self.complete and is_complete(recording)
        if recording.pump.failure is not None:
            raise recording.pump.failure
        return self.complete


def main(arguments: list[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM; return the exit code."""
    keep_freed_memory()
    return NodeProgram(
        'recorder', 'Record raw topics into ReductStore.', _EXAMPLE, RecorderNode, _TURN_S
    ).run(arguments)


if __name__ == '__main__':
    sys.exit(main())
