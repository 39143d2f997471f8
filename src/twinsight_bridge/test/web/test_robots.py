"""GET /robots and GET /health."""

import time

import pytest


def test_robots_live_and_stored_are_listed(api, site):
    found = api.json('/robots', robot=['robot_02', 'robot_01'])
    assert found['problems'] == []
    first, second = found['robots']
    assert (first['robot_id'], second['robot_id']) == ('robot_01', 'robot_02')
    battery = first['metrics']['battery.percentage']
    assert battery['value'] == pytest.approx(87.1) and battery['unit'] == '%'
    assert battery['time'] == '2026-11-20T08:00:02.900000000Z'
    assert battery['age_s'] == pytest.approx(
        (time.time_ns() - site.t0 - 2_900_000_000) / 1e9, abs=20
    )
    assert first['metrics']['state']['value'] == 'driving'
    assert first['stored']['topics'] == 3
    assert first['stored']['first'] == '2026-11-20T08:00:00.000000000Z'
    assert first['online'] is False


def test_a_robot_that_was_seen_just_now_is_online(api, site, make_site):
    live = make_site(None, None, site.addresses.live)
    live.measure('robot_03', 'now', 'm', [(0, 1.0)], time.time_ns())
    (found,) = api.json('/robots', robot='robot_03')['robots']
    assert found['online'] and found['mission_id'] == 'now' and found['stored'] is None


def test_all_stores_that_answer_are_healthy(api):
    found = api.json('/health')
    assert found['status'] == 'ok'
    assert {each['store']: each['state'] for each in found['stores']} == {
        'ReductStore': 'ok', 'PostgreSQL': 'ok', 'Redis': 'ok',
    }
