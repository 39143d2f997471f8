"""The layouts of config/foxglove in Foxglove Studio, with what the simulated robot sends."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

import pytest
from pytest_viewers import Show
from twinsight_viewers.studio import Studio

from twinsight_sim.topics import TOPICS

FOLDER = Path(__file__).parents[4] / 'config' / 'foxglove'
LAYOUTS = sorted(path.stem for path in FOLDER.glob('*.json'))
ROBOTS = ('robot_01', 'robot_02', 'robot_03')

NAV2 = {
    'amcl_pose', 'clicked_point', 'cmd_vel', 'global_costmap/costmap', 'goal_pose', 'initialpose',
    'local_costmap/costmap', 'local_plan', 'map', 'plan',
}  # fmt: skip
SUITE = {'alerts', 'recorder/status', 'replay/status', 'rosout'}
KNOWN = {topic.name.lstrip('/') for topic in TOPICS.values()} | NAV2 | SUITE


def read(name: str) -> dict[str, Any]:
    layout: dict[str, Any] = json.loads((FOLDER / f'{name}.json').read_text())
    return layout


def panels(tree: Any) -> Iterator[str]:
    """Yield the ids of the panels that a layout places."""
    if isinstance(tree, str):
        yield tree
    else:
        yield from panels(tree['first'])
        yield from panels(tree['second'])


def topics(config: Any) -> Iterator[str]:
    """Yield the topics of message paths, names and keys in a panel's configuration."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from topics(key)
            yield from topics(value)
    elif isinstance(config, list):
        for value in config:
            yield from topics(value)
    elif isinstance(config, str) and (found := re.match(r'/([A-Za-z][\w/]*)', config)):
        yield found[1]


def played(studio: Show, source: str, name: str, *, texts: dict[str, str]) -> Studio:
    """Return Studio that plays a file in a layout, once its panels have these texts."""
    shown = studio(source, FOLDER / f'{name}.json', width=1200, height=760)
    shown.play(loop=True)
    for panel, text in texts.items():
        shown.wait_for_text(panel, text)
    assert set(shown.panels()) == set(read(name)['configById'])
    return shown


@pytest.mark.parametrize('name', LAYOUTS)
def test_a_layout_is_whole(name: str) -> None:
    layout = read(name)
    assert set(layout) == {
        'configById', 'globalVariables', 'userNodes', 'playbackConfig', 'layout'
    }  # fmt: skip
    assert sorted(panels(layout['layout'])) == sorted(layout['configById'])


@pytest.mark.parametrize('name', LAYOUTS)
def test_a_layout_speaks_of_topics_that_there_are(name: str) -> None:
    named = set(topics(read(name)['configById']))
    robots = {topic.partition('/')[2] for topic in named if topic.startswith(ROBOTS)}
    plain = {topic for topic in named if not topic.startswith(ROBOTS)}
    assert plain | robots <= KNOWN
    assert bool(robots) is (name == 'fleet')


def test_operations_shows_the_robot(studio: Show, drive_url: str) -> None:
    shown = played(studio, drive_url, 'operations', texts={
        'Indicator!state': 'DRIVING', 'DiagnosticSummary!all': 'navigation',
        'Publish!goal': 'Send goal',
    })  # fmt: skip
    shown.wait_for_pictures(
        lambda seen: seen['Image!front'].colours > 2000
        and seen['3D!map'].share_of(224, 224, 224) > 0.01  # the walls and shelves of the map
        and seen['3D!map'].share_of(255, 48, 48) > 0.0005  # the scan
        and seen['Gauge!battery'].share_of(0, 204, 0, 80) > 0.001
        and seen['Plot!drive'].share_of(78, 152, 226) > 0.001,  # the line of the speed
        'map, scan, camera, battery and speed',
    )
    assert shown.problems() == []


def test_debugging_shows_the_robot(studio: Show, drive_url: str) -> None:
    shown = played(studio, drive_url, 'debugging', texts={
        'RawMessages!odom': 'base_link', 'SourceInfo!topics': '/imu/data',
        'DiagnosticStatusPanel!one': 'battery',
    })  # fmt: skip
    shown.wait_for_pictures(
        lambda seen: seen['3D!tf'].share_of(255, 48, 48) > 0.001, 'scan around the robot'
    )
    assert shown.problems() == []


def test_fleet_shows_three_robots(studio: Show, fleet_url: str) -> None:
    shown = played(studio, fleet_url, 'fleet', texts={
        **{f'Indicator!{robot}': 'DRIVING' for robot in ROBOTS}, 'Table!alerts': 'battery_low',
    })  # fmt: skip
    shown.wait_for_pictures(
        lambda seen: all(
            seen[f'Gauge!{robot}'].share_of(0, 204, 0, 80) > 0.0005 for robot in ROBOTS
        ) and seen['3D!fleet'].share_of(224, 224, 224) > 0.01,
        'map and batteries',
    )  # fmt: skip
    assert shown.problems() == []
