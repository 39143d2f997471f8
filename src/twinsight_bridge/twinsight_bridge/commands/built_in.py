"""The commands that every robot should understand; the configuration says what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from twinsight_bridge.commands.parameter import ParameterSettings as Parameter


class BuiltIn(NamedTuple):
    """What a command is for, and what it is asked with."""

    description: str
    parameters: Mapping[str, Parameter]


BUILT_IN: Mapping[str, BuiltIn] = {
    'start_mission': BuiltIn('Begin a mission: what is recorded from now on belongs to it.', {
        'mission_id': Parameter(
            type='text', default='', description='Empty: a new one, of date and time.'
        ),
        'labels': Parameter(type='labels', default={}, description='Labels of the mission.'),
    }),
    'end_mission': BuiltIn('End the mission.', {
        'mission_id': Parameter(
            type='text', default='', description='The one of now; empty: whichever it is.'
        ),
    }),
    'go_to_pose': BuiltIn('Drive to a pose.', {
        'x': Parameter(type='number', unit='m'),
        'y': Parameter(type='number', unit='m'),
        'yaw': Parameter(
            type='number', unit='rad', default=0.0, description='Counter-clockwise from x.'
        ),
        'frame_id': Parameter(type='text', default='map', description='Frame of the pose.'),
    }),
    'stop': BuiltIn('Stand still.', {}),
}
