"""Reading launch/stack.yaml without launch."""

from collections.abc import Callable
from pathlib import Path

import pytest
from stack import Process, read, Scope, Stack
import yaml

from twinsight_tools.messages import UsageError

ROOT = Path(__file__).resolve().parents[2]
STACK = ROOT / 'launch' / 'stack.yaml'
NEW = 'FASTDDS_DEFAULT_PROFILES_FILE'
OLD = 'FASTRTPS_DEFAULT_PROFILES_FILE'
ARGUMENTS = """
- arg: {name: robot_id, default: robot_01, description: the robot}
- arg: {name: config, default: $(find-pkg-share shop)/shop.yaml, description: parameters}
- arg: {name: open, default: 'true', description: start it}
"""
NODE = """
- node:
    pkg: shop
    exec: till
    name: till
    namespace: $(var robot_id)
    if: $(var open)
    args: --robot $(var robot_id) --config=$(var config)
    param:
    - from: $(var config)
    - {name: robot_id, value: $(var robot_id), type: str}
"""


Make = Callable[[str], Stack]


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """Return the share folder of package shop."""
    (tmp_path / 'shop.yaml').write_text('')
    return tmp_path


@pytest.fixture
def make(share: Path) -> Make:
    """Return a function that reads a stack of the given entries."""

    def make(entries: str) -> Stack:
        path = share / 'stack.yaml'
        path.write_text(f'launch:\n{entries}')
        return read(path)

    return make


@pytest.fixture
def till(make: Make, share: Path) -> Callable[..., Process]:
    """Return a function that gives the one process of the stack above."""

    def till(*words: str, entries: str = ARGUMENTS + NODE) -> Process:
        described = make(entries)
        [process] = described.processes(described.scope(words, lambda _: share))
        return process

    return till


def test_the_projects_own_stack_is_understood() -> None:
    described = read(STACK)
    scope = described.scope(['recorder:=false', 'replay:=true', 'rate:=2'], lambda _: ROOT)
    [replay] = described.processes(scope)
    assert (replay.package, replay.executable) == ('twinsight_replay', 'replay')
    assert {'rate': '2'} in replay.parameters
    assert {'prefix': '/replay'} in replay.parameters


def test_arguments_take_their_default_or_the_last_value(make: Make, share: Path) -> None:
    scope = make(ARGUMENTS).scope(['robot_id:=a', 'robot_id:=b:=c'], lambda _: share)
    assert scope.values == {
        'robot_id': 'b:=c',
        'config': f'{share}/shop.yaml',
        'open': 'true',
    }


def test_a_value_is_one_word_whatever_it_holds(till: Callable[..., Process], share: Path) -> None:
    process = till('robot_id:=robot_05')
    assert process.arguments == ('--robot', 'robot_05', f'--config={share}/shop.yaml')
    odd = share / 'with space $(var x).yaml'
    odd.write_text('')
    assert till(f'config:={odd}').arguments[-1] == f'--config={odd}'


def test_values_of_parameters_stay_strings_and_name_the_node_in_full(
    till: Callable[..., Process], share: Path
) -> None:
    process = till('robot_id:=r7')
    assert process.parameters == (share / 'shop.yaml', {'robot_id': 'r7'})
    words = process.words(share)
    start = words.index('--ros-args')
    assert words[start + 1 : start + 5] == ['-r', '__node:=till', '-r', '__ns:=/r7']
    assert words[start + 5 : start + 8] == [
        '--params-file',
        str(share / 'shop.yaml'),
        '--params-file',
    ]
    assert yaml.safe_load(Path(words[-1]).read_text()) == {
        '/r7/till': {'ros__parameters': {'robot_id': 'r7'}}
    }


@pytest.mark.parametrize('text', ['false', 'False', '0'])
def test_a_node_may_be_off(text: str, make: Make, share: Path) -> None:
    described = make(ARGUMENTS + NODE)
    assert described.processes(described.scope([f'open:={text}'], lambda _: share)) == []


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('- node:', '- executable:', 'executable till: unknown entry'),
        ('exec: till', 'exec: till\n    respawn: true', "node till: 'respawn' is unknown"),
        ('    pkg: shop\n', '', 'node till: pkg is missing'),
        ('type: str', 'type: int', 'node till: parameter robot_id has a type other than str'),
        ('default: robot_01', 'default: 1', 'arg robot_id: default is not a string'),
        (
            '- node:',
            '- set_env: {name: A, value: b, unless: c}\n- node:',
            "set_env A: 'unless' is unknown",
        ),
    ],
)
def test_what_only_launch_understands_is_refused(
    old: str, new: str, message: str, make: Make
) -> None:
    with pytest.raises(UsageError, match=message):
        make((ARGUMENTS + NODE).replace(old, new))


@pytest.mark.parametrize(
    ('env', 'expected'),
    [
        ({}, '{share}/shop.xml'),
        ({'OLD': '/old file $(x).xml'}, '/old file $(x).xml'),
        ({'OLD': '/old.xml', 'NEW': '/new.xml'}, '/new.xml'),
        ({'NEW': ''}, ''),
    ],
)
def test_a_default_may_come_from_the_environment(
    env: dict[str, str], expected: str, make: Make, share: Path
) -> None:
    entry = """
- arg:
    name: profile
    default: >-
      $(env NEW
      $(env OLD $(find-pkg-share shop)/shop.xml))
    description: of what
"""
    described = make(entry)
    scope = described.scope([], lambda _: share, env)
    assert scope.values == {'profile': expected.format(share=share)}
    given = described.scope(['profile:=/given.xml'], lambda _: share, env)
    assert given.values == {'profile': '/given.xml'}


def test_a_variable_is_set_where_its_condition_holds(make: Make, share: Path) -> None:
    entries = """
- set_env: {name: ALWAYS, value: '1'}
- set_env:
    name: $(if $(equals $(var robot_id) r7) SEVENTH OTHER)_ROBOT
    value: $(var robot_id)
    if: $(not-equals $(var robot_id) none)
"""
    described = make(ARGUMENTS + entries)
    assert described.environment(described.scope(['robot_id:=r7'], lambda _: share)) == {
        'ALWAYS': '1',
        'SEVENTH_ROBOT': 'r7',
    }
    other = described.environment(described.scope(['robot_id:=r8'], lambda _: share))
    assert other == {'ALWAYS': '1', 'OTHER_ROBOT': 'r8'}
    none = described.scope(['robot_id:=none'], lambda _: share)
    assert described.environment(none) == {'ALWAYS': '1'}


@pytest.mark.parametrize(
    ('words', 'env', 'expected'),
    [
        ([], {}, {NEW: '{share}/config/fastdds.xml'}),
        ([], {'ROS_DISTRO': 'kilted'}, {NEW: '{share}/config/fastdds.xml'}),
        ([], {'ROS_DISTRO': 'jazzy'}, {OLD: '{share}/config/fastdds.xml'}),
        ([], {NEW: '/mine.xml'}, {NEW: '/mine.xml'}),
        ([], {OLD: '/mine.xml', 'ROS_DISTRO': 'jazzy'}, {OLD: '/mine.xml'}),
        (['dds_profile:=/b.xml'], {NEW: '/mine.xml'}, {NEW: '/b.xml'}),
        (['dds_profile:=none'], {NEW: '/mine.xml'}, {}),
    ],
)
def test_the_projects_dds_profile_gives_way_to_the_users(
    words: list[str], env: dict[str, str], expected: dict[str, str], share: Path
) -> None:
    described = read(STACK)
    variables = described.environment(described.scope(words, lambda _: share, env))
    del variables['PYTHONUNBUFFERED']
    assert variables == {name: value.format(share=share) for name, value in expected.items()}


@pytest.mark.parametrize(
    ('env', 'words', 'on'),
    [
        ({}, [], False),
        ({'POSTGRES': 'postgresql://a'}, [], False),
        ({'REDIS': 'redis://b'}, [], False),
        ({'POSTGRES': 'postgresql://a', 'REDIS': ''}, [], False),
        ({'POSTGRES': '', 'REDIS': 'redis://b'}, [], False),
        ({'POSTGRES': 'postgresql://a', 'REDIS': 'redis://b'}, [], True),
        ({'POSTGRES': 'postgresql://a', 'REDIS': 'redis://b'}, ['metrics:=false'], False),
        ({}, ['metrics:=true'], True),
    ],
)
def test_metrics_are_recorded_where_both_their_stores_are_named(
    env: dict[str, str], words: list[str], on: bool
) -> None:
    described = read(STACK)
    env = {f'TWINSIGHT_{name}_URL': url for name, url in env.items()}
    started = described.processes(described.scope(words, lambda _: ROOT, env))
    assert [process.executable for process in started] == [
        'recorder', *(['metrics_recorder'] if on else [])
    ]


def test_both_recorders_get_the_same_robot_and_mission_after_their_files() -> None:
    described = read(STACK)
    words = ['metrics:=true', 'robot_id:=r7', 'mission_id:=', 'namespace:=r7']
    recorder, metrics = described.processes(described.scope(words, lambda _: ROOT))
    both = ({'robot_id': 'r7'}, {'mission_id': ''})
    config = ROOT / 'config'
    assert recorder.parameters == (config / 'recorder.yaml', *both)
    assert metrics.parameters == (config / 'metrics.yaml', config / 'alerts.yaml', *both)
    assert (recorder.node_key, metrics.node_key) == ('/r7/recorder', '/r7/metrics_recorder')


@pytest.mark.parametrize(
    ('template', 'expected'),
    [
        ("$(env NONE '')", ''),
        ("$(env SET '')", 'set'),
        ("$(equals .$(env NONE '') .)", 'true'),
        ("$(equals .$(env SET '') .)", 'false'),
        ("it's ''", "it's ''"),
    ],
)
def test_two_quotes_are_an_empty_word_in_a_substitution(template: str, expected: str) -> None:
    assert Scope({}, lambda _: ROOT, {'SET': 'set'}).expand(template) == expected


@pytest.mark.parametrize(
    'text',
    [
        '$(env HOME)',
        '$(env HOME a b)',
        '$(not-equals a)',
        '$(if maybe a b)',
        '$(var robot)',
        '$(var $(var robot_id))',
        '$(var robot_id',
        '$(',
    ],
)
def test_an_unknown_substitution_is_refused(text: str, till: Callable[..., Process]) -> None:
    entries = (ARGUMENTS + NODE).replace('--robot $(var robot_id)', f'--robot {text}')
    with pytest.raises(UsageError, match='known|no such argument'):
        till(entries=entries)
