"""Frames: one tree, a prefix in front of all but the map, and a description that fits."""

from xml.etree import ElementTree

import pytest

from twinsight_sim.body import urdf


@pytest.mark.parametrize('prefix', ['', 'robot_01/'])
def test_all_frames_form_one_tree(record, prefix):
    recording = record(0.6, frame_prefix=prefix)
    parents = {t.child_frame_id: t.header.frame_id
               for key in ('tf', 'tf_static') for _, message in recording.of(key)
               for t in message.transforms}
    names = ('odom', 'base_link', 'laser', 'imu', 'camera', 'camera_optical')
    assert parents.keys() == {prefix + name for name in names}
    assert parents[f'{prefix}odom'] == 'map'
    known = parents.keys() | {'map'}
    assert set(parents.values()) <= known
    for key in ('map', 'odom', 'imu', 'scan', 'image', 'camera_info', 'costmap', 'battery'):
        assert all(message.header.frame_id in known for _, message in recording.of(key))


def test_the_description_joins_its_links_as_the_transforms_do(record):
    (_, message), = record(0.1).of('tf_static')
    joints = ElementTree.fromstring(urdf()).findall('joint')
    assert {(j.find('parent').get('link'), j.find('child').get('link')) for j in joints} == {
        (t.header.frame_id, t.child_frame_id) for t in message.transforms}
