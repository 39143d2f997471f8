"""ROS arguments of a command line: set apart from the command's own, and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.utilities import remove_ros_args

from twinsight_store.errors import ConfigurationError
from twinsight_store.parameters import check_parameter_files


def own_arguments(arguments: Sequence[str]) -> list[str]:
    """
    Return what is not for ROS, without the program's name.

    Raises ConfigurationError where the ROS arguments, or a parameter file that they name,
    cannot be understood.
    """
    check_parameter_files(arguments)
    with ros_argument_errors():
        return list(remove_ros_args(list(arguments)))[1:]


@contextmanager
def ros_argument_errors() -> Iterator[None]:
    """Turn what rclpy says of wrong ROS arguments into one line."""
    wrong = (rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError)
    try:
        yield
    except wrong as error:
        text = str(error).split(', at ')[0]
        raise ConfigurationError(f'ROS arguments: {text}; see `ros2 run … --help`') from error
