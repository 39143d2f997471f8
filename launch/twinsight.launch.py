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
            OpaqueFunction(function=check_files),
            IncludeLaunchDescription(AnyLaunchDescriptionSource(str(stack))),
        ]
    )


def check_files(context: LaunchContext) -> None:
    """Refuse files that do not exist: launch and Fast DDS would complain and go on without."""
    for name in ('config', 'metrics_config', 'alerts_config', 'replay_config'):
        path = context.launch_configurations.get(name)
        if path is not None and not Path(path).is_file():
            raise FileNotFoundError(
                f'{name}:={path}: no such parameter file; give one that exists'
            )
    profile = context.launch_configurations.get('dds_profile', 'none')
    if profile != 'none' and not Path(profile).is_file():
        raise FileNotFoundError(
            f'dds_profile:={profile}: no such file; give a Fast DDS profile that exists, or none'
        )
