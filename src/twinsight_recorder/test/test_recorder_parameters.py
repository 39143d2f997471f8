"""Mistakes in the recorder's parameters, as its user sees them."""

import pytest

from twinsight_store.connection import URL_VARIABLE


def start(ros, *arguments, url='http://127.0.0.1:9'):
    return ros.start(
        'twinsight_recorder', 'recorder', '--ros-args', '-p', 'robot_id:=robot_05', *arguments,
        **{URL_VARIABLE: url},
    )


@pytest.mark.parametrize(('yaml', 'said'), [
    ('robot: x', 'robot: unknown key; accepted here are'),
    ('chunk: {max_age: 5 parsecs}', "chunk.max_age: '5 parsecs': not a duration; accepted: up to"),
    ('memory_limit: 5 apples', "memory_limit: '5 apples': could not interpret byte unit"),
    ('topics: {include: ["("]}', "topics.include: '(': not a regular expression"),
    ('topics: {inclde: ["a"]}', 'topics.inclde: unknown key; accepted here are exclude, include'),
    ('store: {quota_type: LIFO}', "store.quota_type: 'LIFO': Input should be 'FIFO' or 'HARD'"),
    ('streams: {a: {topics: ["x"], max_rate: -1.0}}', 'streams.a.max_rate: -1.0:'),
    ('streams: {a: {sensor_type: x}}', 'streams.a.topics: missing; accepted: a list of topic'),
    ('labels: {robot_id: x}', 'is set by TwinSight itself'),
    ('topics: [1, "a"', 'not YAML'),
])
def test_a_wrong_parameter_is_one_line_with_file_and_key(ros, tmp_path, yaml, said):
    file = tmp_path / 'wrong.yaml'
    file.write_text(f'/**:\n  ros__parameters:\n    {yaml}\n')
    recorder = start(ros, '--params-file', str(file))
    assert recorder.end(20) == 2
    [line] = recorder.text().strip().splitlines()
    assert line.startswith(f'{file}: ') and said in line


def test_without_a_store_address_it_says_what_to_set(ros):
    recorder = start(ros, url='')
    assert recorder.end(20) == 2
    [line] = recorder.text().strip().splitlines()
    assert line.startswith('TWINSIGHT_REDUCT_URL is not set')
