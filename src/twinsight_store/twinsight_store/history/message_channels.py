"""
The topics that the history's messages come on, as their channels tell them; without ROS.

The definitions are those of the installed packages, word by word.
"""

from __future__ import annotations

import re

from twinsight_store.channel import Channel, QOS_KEY

METRIC_TYPE = 'twinsight_interfaces/msg/Metric'
EVENT_TYPE = 'twinsight_interfaces/msg/Event'
ALERT_TYPE = 'twinsight_interfaces/msg/Alert'

_METRICS = '/metrics'
_LONGEST = 247  # RMW_TOPIC_MAX_NAME_LENGTH

_HEADER = f"""\
{'=' * 80}
MSG: std_msgs/Header
# Standard metadata for higher-level stamped data types.
# This is generally used to communicate timestamped data
# in a particular coordinate frame.

# Two-integer timestamp that is expressed as seconds and nanoseconds.
builtin_interfaces/Time stamp

# Transform frame with which this data is associated.
string frame_id
"""
_TIME = f"""\
{'=' * 80}
MSG: builtin_interfaces/Time
# This message communicates ROS Time defined here:
# https://design.ros2.org/articles/clock_and_time.html

# The seconds component, valid over all int32 values.
int32 sec

# The nanoseconds component, valid in the range [0, 1e9).
uint32 nanosec
"""
_METRIC = """\
# A sample of a metric as it was stored: a number, a text, or both.

std_msgs/Header header   # stamp: when it was measured
string robot_id
string mission_id
string name              # for example battery.percentage
float64 value            # NaN where the sample is a text
string text              # empty where the sample is a number
"""
_EVENT = """\
# Something that happened to a robot: an alert was raised or cleared, an anomaly was found.

uint8 INFO=0
uint8 WARN=1
uint8 ERROR=2

std_msgs/Header header   # stamp: when it happened
string robot_id
string mission_id
string kind              # alert_raised, alert_cleared, anomaly, ...
uint8 severity
string message           # for people
string data              # JSON object with what the kind tells besides
"""
_ALERT = """\
# An alert that began or ended. Published once when it is raised, once when it is cleared.

uint8 INFO=0
uint8 WARN=1
uint8 ERROR=2

std_msgs/Header header   # stamp: when the condition held for as long as the rule says, or ended
string robot_id
string mission_id
string rule              # name of the rule in the parameter file
string metric            # name of the metric that it looks at
uint8 severity
bool active              # true: raised; false: cleared
string message           # for people
float64 value            # of the metric at that moment; NaN where it has none
string text              # of the metric at that moment, where that is a text
builtin_interfaces/Time raised   # when it was raised; the same in both messages
"""
_SCHEMAS = {
    type_name: '\n'.join((text, _HEADER, _TIME)).encode()
    for type_name, text in (
        (METRIC_TYPE, _METRIC), (EVENT_TYPE, _EVENT), (ALERT_TYPE, _ALERT)
    )
}

_FOREVER = '\n    sec: 9223372036\n    nsec: 854775807'
_QOS = f"""\
- history: keep_last
  depth: 10
  reliability: reliable
  durability: volatile
  deadline:{_FOREVER}
  lifespan:{_FOREVER}
  liveliness: system_default
  liveliness_lease_duration:{_FOREVER}
  avoid_ros_namespace_conventions: false
"""


def metric_channel(name: str) -> Channel:
    """Return the channel of a metric."""
    return _channel(metric_topic(name), METRIC_TYPE)


def metric_topic(name: str) -> str:
    """
    Return the topic of a metric: ``battery.percentage`` comes on /metrics/battery/percentage.

    Where a name does not fit into a topic's, ``_`` stands for what ROS does not take; what is too
    long is cut. So several metrics may share a topic; the messages have the name.
    """
    levels = [
        re.sub(r'[^A-Za-z0-9_]', '_', level) for level in re.split(r'[./]', name) if level
    ] or ['_']
    levels = [f'_{level}' if level[0].isdigit() else level for level in levels]
    return '/'.join((_METRICS, *levels))[:_LONGEST].rstrip('/')


def _channel(topic: str, type_name: str) -> Channel:
    return Channel(
        topic, type_name, 'ros2msg', _SCHEMAS[type_name], metadata={QOS_KEY: _QOS}
    )


EVENTS = _channel('/events', EVENT_TYPE)
ALERTS = _channel('/alerts', ALERT_TYPE)
