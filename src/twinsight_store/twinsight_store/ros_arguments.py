"""ROS arguments of a command line: set apart from the command's own, and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rclpy.impl.implementation_singleton import rclpy_implementation

from twinsight_store.errors import ConfigurationError
from twinsight_store.parameters import check_parameter_files


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """
    Return a command's own arguments, and those for ``rclpy.init``.

    arguments  as in ``sys.argv``; what is for ROS stands between ``--ros-args`` and ``--``

    rclpy's own way to set them apart would also take ``--remap a:=b`` from a command.
    Raises ConfigurationError where a parameter file cannot be read.
    """
    own: list[str] = []
    ros = list(arguments[:1])
    for_ros = False
    for argument in arguments[1:]:
        if argument == '--ros-args':
            for_ros = True
        (ros if for_ros else own).append(argument)
        if argument == '--':
            for_ros = False
    check_parameter_files(ros)
    return own, ros


@contextmanager
def ros_argument_errors() -> Iterator[None]:
    """Turn what rclpy says of wrong ROS arguments into one line."""
    wrong = (rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError)
    try:
        yield
    except wrong as error:
        text = str(error).split(', at ')[0]
        raise ConfigurationError(f'ROS arguments: {text}; see `ros2 run … --help`') from error
