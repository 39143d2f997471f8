"""
Record a robot, with a simulated robot or a replay beside it where asked.

The stack itself is written in stack.yaml, which tools/up reads too::

    ros2 launch twinsight_launch twinsight.launch.py robot_id:=robot_05 sim:=true
"""

from pathlib import Path

from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource


def generate_launch_description() -> LaunchDescription:
    """Return the stack of stack.yaml with its arguments."""
    stack = Path(__file__).with_name('stack.yaml')
    return LaunchDescription(
        [
            OpaqueFunction(function=check_config),
            IncludeLaunchDescription(AnyLaunchDescriptionSource(str(stack))),
        ]
    )


def check_config(context: LaunchContext) -> None:
    """Refuse a parameter file that does not exist: launch would warn and record without it."""
    config = context.launch_configurations.get('config')
    if config is not None and not Path(config).is_file():
        raise FileNotFoundError(f'config:={config}: no such parameter file; give one that exists')
