"""The recorder as a lifecycle node: what a manager such as Nav2's makes of it."""

import signal

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from pytest_ros import wait_until
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from twinsight_interfaces.msg import RecorderStatus
from twinsight_interfaces.srv import StartRecording


def change(bench, transition):
    return bench.ask('change_state', ChangeState, transition=Transition(id=transition)).success


def state(bench):
    return bench.ask('get_state', GetState).current_state.id


def services(bench):
    names = {name for name, _ in bench.node.get_service_names_and_types()}
    return {'/recorder/start', '/recorder/stop', '/recorder/snapshot'} & names


def test_a_manager_configures_activates_deactivates_and_cleans_up(bench):
    numbers = bench.publisher('/numbers')
    recorder = bench.start(autostart=False)
    assert state(bench) == State.PRIMARY_STATE_UNCONFIGURED
    assert change(bench, Transition.TRANSITION_CONFIGURE)
    wait_until(lambda: len(bench.statuses) >= 2)
    bench.publish(numbers, range(10))
    assert bench.statuses[-1].mode == RecorderStatus.MODE_STOPPED
    assert numbers.get_subscription_count() == 0
    refused = bench.ask('start', StartRecording, mission_id='B')
    assert not refused.success and 'not active' in refused.message

    assert change(bench, Transition.TRANSITION_ACTIVATE)
    bench.wait_for_subscriber(numbers)
    bench.publish_received(numbers, range(10, 30))
    assert change(bench, Transition.TRANSITION_DEACTIVATE)
    assert state(bench) == State.PRIMARY_STATE_INACTIVE
    wait_until(lambda: numbers.get_subscription_count() == 0)
    bench.publish(numbers, range(30, 40))
    wait_until(lambda: bench.topic('/numbers').stored == 20)
    assert not bench.ask('start', StartRecording).success

    assert change(bench, Transition.TRANSITION_ACTIVATE)
    bench.wait_for_subscriber(numbers)
    bench.publish_received(numbers, range(40, 50))
    bench.do('stop', Trigger)
    wait_until(lambda: numbers.get_subscription_count() == 0)
    assert change(bench, Transition.TRANSITION_DEACTIVATE)
    assert change(bench, Transition.TRANSITION_CLEANUP)
    assert bench.numbers('/numbers', missions=('A',)) == [*range(10, 30), *range(40, 50)]
    recorder.wait_for('recorded: robot robot_05, mission A')
    wait_until(lambda: not services(bench))
    seen = len(bench.statuses)

    assert change(bench, Transition.TRANSITION_CONFIGURE)
    assert change(bench, Transition.TRANSITION_ACTIVATE)
    bench.wait_for_subscriber(numbers)
    # it counts anew
    wait_until(lambda: len(bench.statuses) > seen and not bench.topic('/numbers').received)
    bench.publish_received(numbers, range(50, 60))
    assert change(bench, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert bench.numbers('/numbers')[-10:] == [*range(50, 60)]
    assert recorder.end(30, ask=signal.SIGTERM) == 0
    assert recorder.text().count('Traceback') == 0


def test_a_wrong_parameter_fails_the_transition_and_a_right_one_then_works(bench):
    numbers = bench.publisher('/numbers')
    recorder = bench.start(autostart=False, memory_limit='plenty', mode='5')
    assert not change(bench, Transition.TRANSITION_CONFIGURE)
    assert state(bench) == State.PRIMARY_STATE_UNCONFIGURED
    lines = [line for line in recorder.text().splitlines() if line.strip()]
    assert len(lines) == 2, recorder.text()
    [memory] = [line for line in lines if 'memory_limit' in line]
    assert "'plenty'" in memory and 'accepted: what may wait to be stored' in memory
    [mode] = [line for line in lines if 'mode: ' in line]
    assert 'accepted: continuous or snapshot' in mode

    def set_to(name, value):
        parameter = Parameter(name, value=value).to_parameter_msg()
        [result] = bench.ask('set_parameters', SetParameters, parameters=[parameter]).results
        return result.successful, result.reason

    assert set_to('memory_limit', '100MB') == (True, '')
    assert set_to('mode', 'continuous') == (True, '')
    assert change(bench, Transition.TRANSITION_CONFIGURE), recorder.text()
    assert change(bench, Transition.TRANSITION_ACTIVATE)
    bench.wait_for_subscriber(numbers)
    bench.publish_received(numbers, range(10))
    assert bench.statuses[-1].queue_limit_bytes == 100_000_000
    bench.end(recorder)
    assert bench.numbers('/numbers') == [*range(10)]
