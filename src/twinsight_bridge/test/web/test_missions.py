"""GET /missions and GET /events."""


def test_missions_come_in_the_order_of_their_starts(api):
    found = api.json('/missions')
    assert [(each['robot_id'], each['mission_id']) for each in found['missions']] == [
        ('robot_01', 'dawn'), ('robot_02', 'dawn'), ('robot_01', 'noon'),
    ]
    dawn, _, noon = found['missions']
    assert dawn['started'] == '2026-11-20T08:00:00.000000000Z'
    assert dawn['ended'] == '2026-11-20T08:00:03.000000000Z' and dawn['ended_by'] == 'request'
    assert dawn['labels'] == {'site': 'north'}
    assert (dawn['messages'], dawn['size_bytes'], dawn['events']) == (60, 6000, 3)
    assert noon['ended'] is None and noon['ended_by'] is None
    assert found['next'] is None


def test_missions_are_found_by_robot_label_and_time(api):
    def found(**query):
        missions = api.json('/missions', **query)['missions']
        return [(each['robot_id'], each['mission_id']) for each in missions]

    assert found(robot='robot_02') == [('robot_02', 'dawn')]
    assert found(label='site=north') == [('robot_01', 'dawn')]
    assert found(from_='2026-11-20T08:05:00Z') == [('robot_01', 'noon')]
    assert found(to='2026-11-20T08:00:05Z') == [('robot_01', 'dawn')]


def test_pages_of_missions_join_without_gap(api):
    for order, wanted in (('asc', ['dawn', 'dawn', 'noon']), ('desc', ['noon', 'dawn', 'dawn'])):
        path, found = f'/missions?limit=1&order={order}', []
        while path:
            page = api.json(path)
            found += page['missions']
            path = page['next']
        assert [each['mission_id'] for each in found] == wanted
        assert len({(each['robot_id'], each['mission_id']) for each in found}) == 3


def test_where_no_mission_is_found_the_answer_says_which_there_are(api):
    found = api.json('/missions', robot='robot_99')
    assert found['missions'] == []
    assert 'nothing matches robot robot_99; there is robot_01 (missions' in found['note']


def test_events_are_filtered_by_kind_and_severity(api):
    def found(**query):
        return [each['message'] for each in api.json('/events', **query)['events']]

    assert found() == ['battery is low', 'battery is well', 'it shakes']
    assert found(kind='anomaly') == ['it shakes']
    assert found(severity=['warn', 'info']) == ['battery is low', 'battery is well']
    assert found(robot='robot_02') == []
    (event,) = api.json('/events', kind='alert_raised')['events']
    assert event == {
        'time': '2026-11-20T08:00:01.000000000Z', 'robot_id': 'robot_01', 'mission_id': 'dawn',
        'kind': 'alert_raised', 'severity': 'warn', 'message': 'battery is low',
        'data': {'rule': 'low'},
    }


def test_pages_of_events_part_those_of_one_time(api):
    for order, wanted in (
        ('asc', ['battery is low', 'battery is well', 'it shakes']),
        ('desc', ['battery is well', 'it shakes', 'battery is low']),
    ):
        path, found = f'/events?limit=1&order={order}&from=2026-11-20T08:00:00Z', []
        while path:
            page = api.json(path)
            found += [each['message'] for each in page['events']]
            path = page['next']
        assert found == wanted
