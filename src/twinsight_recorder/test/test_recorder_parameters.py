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
    ('mode: once', "mode: 'once': Input should be 'continuous' or 'snapshot'"),
    ('snapshot: {rules: {a: {topic: /s, when: state = ERROR}}}',
     "snapshot.rules.a.when: 'state = ERROR': '= ERROR' follows the field; operators are =="),
    ('snapshot: {duration: 5s, rules: {a: {topic: /s, when: state == ERROR}}}',
     "snapshot.duration: '5s': less than the 30 s that rule a keeps before it fires"),
    ('snapshot: {rules: {a: {topic: /s, when: z changes, before: 31s}}}',
     'snapshot.duration: 30.0: less than the 31 s that rule a keeps before it fires'),
    ('snapshot: {rules: {a: {topic: not a topic, when: z changes}}}', 'snapshot.rules.a.topic:'),
    ('dynamic_labels: {zone: {topic: /zone, field: "x["}}', 'dynamic_labels.zone.field:'),
    ('dynamic_labels: {mission_id: {topic: /m, field: data}}', 'is set by TwinSight itself'),
    ('topics: [1, "a"', 'not YAML'),
])
def test_a_wrong_parameter_is_one_line_with_file_and_key(ros, tmp_path, yaml, said):
    file = tmp_path / 'wrong.yaml'
    file.write_text(f'/**:\n  ros__parameters:\n    {yaml}\n')
    recorder = start(ros, '--params-file', str(file))
    assert recorder.end(20) == 2
    [line] = recorder.text().strip().splitlines()
    assert line.startswith(f'recorder: {file}: ') and said in line


def test_without_a_store_address_it_says_what_to_set(ros):
    recorder = start(ros, url='')
    assert recorder.end(20) == 2
    [line] = recorder.text().strip().splitlines()
    assert line.startswith('recorder: TWINSIGHT_REDUCT_URL is not set')
