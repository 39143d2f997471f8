"""The token, and web pages of others."""

STOP = '/robots/robot_05/commands/stop'
SESSIONS = '/replay/sessions'


def test_what_acts_needs_the_token(start_api):
    api = start_api(token='s3cret', robots={'robot_05': ''}, bridge_url='http://127.0.0.1:1')
    for method, path in (
        ('POST', STOP), ('DELETE', '/robots/robot_05/commands/1'), ('POST', SESSIONS),
        ('DELETE', f'{SESSIONS}/a'), ('POST', f'{SESSIONS}/a/control'),
        ('POST', '/robots/robot_05/recorder/stop'), ('POST', '/robots/robot_05/recorder/snapshot'),
    ):
        answer = api.request(method, path)
        assert (answer.status_code, answer.headers['WWW-Authenticate']) == (401, 'Bearer'), path
        assert 'send "Authorization: Bearer TOKEN"' in answer.json()['detail']
        answer = api.request(method, path, headers={'Authorization': 'Bearer s3cre'})
        assert answer.status_code == 401 and 'invalid_token' in answer.headers['WWW-Authenticate']
        assert 's3cret' not in answer.text
    assert api.get('/robots/robot_05/commands').status_code == 200
    answer = api.post(STOP, headers={'Authorization': 'Bearer s3cret'})
    assert answer.status_code == 501  # let in, and not mapped


def test_pages_of_others_may_not_act_without_a_token(start_api):
    api = start_api(robots={'robot_05': ''}, origins=('https://ours.example',))
    own = str(api.base_url).rstrip('/')
    for origin, status in (
        ('https://evil.example', 403), ('null', 403), ('https://ours.example', 501), (own, 501),
    ):
        answer = api.post(STOP, headers={'Origin': origin})
        assert answer.status_code == status, origin
    assert 'a page of https://evil.example may not' in api.post(
        STOP, headers={'Origin': 'https://evil.example'}
    ).json()['detail']
    everybody = start_api(robots={'robot_05': ''})  # all may read, that is
    answer = everybody.post(STOP, headers={'Origin': 'https://evil.example'})
    assert answer.status_code == 403


def test_nothing_is_configured(start_api):
    api = start_api(recorder_control=False)
    answer = api.get('/recorders')
    assert answer.status_code == 501 and 'set recorder_control' in answer.json()['detail']
    assert STOP.replace('robot_05', '{robot_id}').replace('stop', '{name}') in api.get(
        '/openapi.json'
    ).json()['paths']
    answer = api.post(STOP)
    assert answer.status_code == 404 and 'robots of the configuration has none' in answer.text
