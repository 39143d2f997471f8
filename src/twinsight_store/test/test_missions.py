from __future__ import annotations

from math import inf
from typing import Any

import pytest

from twinsight_store.errors import ConfigurationError, NothingMatchedError
from twinsight_store.history.migrate import migrate
from twinsight_store.history.missions import Mission, missions
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.selection import Selection

T0 = 1_763_900_000_000_000_000
S = 10**9
ALL = Selection()


class Database:
    """One database, filled by hand; times are seconds since T0."""

    def __init__(self, settings: PostgresSettings) -> None:
        self.settings = settings
        with connect(settings) as connection:
            migrate(connection)

    def execute(self, statement: str, *values: Any) -> None:
        with connect(self.settings) as connection:
            connection.execute(statement, values)

    def mission(
        self, robot: str, mission: str, started: float, last_seen: float,
        ended: float | None = None, ended_by: str | None = None, labels: str = '{}',
    ) -> None:
        self.execute(
            'INSERT INTO mission VALUES (%s, %s, to_timestamp(%s), to_timestamp(%s), %s, '
            'to_timestamp(%s), %s)',
            robot, mission, T0 // S + started, None if ended is None else T0 // S + ended,
            ended_by, T0 // S + last_seen, labels,
        )

    def samples(self, robot: str, mission: str, name: str, **values: float | None) -> None:
        """Store numbers given as ``at<seconds>=number``, and what the metric is."""
        self.execute(
            "INSERT INTO metric_info VALUES (%s, %s, 'm', '/odom', '') ON CONFLICT DO NOTHING",
            robot, name,
        )
        for at, value in values.items():
            self.execute(
                'INSERT INTO metric VALUES (to_timestamp(%s), %s, %s, %s, %s)',
                T0 // S + int(at.removeprefix('at')), robot, mission, name, value,
            )

    def recording(
        self, robot: str, mission: str, recorder: str, topic: str, messages: int, size: int
    ) -> None:
        self.execute(
            'INSERT INTO mission_recording VALUES (%s, %s, %s, %s, %s, %s)',
            robot, mission, recorder, topic, messages, size,
        )

    def ids(self, selection: Selection = ALL) -> list[str]:
        return [each.mission_id for each in missions(self.settings, selection)]

    def only(self, **options: Any) -> Mission:
        [found] = missions(self.settings, ALL, **options)
        return found


@pytest.fixture
def database(postgres_url: str) -> Database:
    return Database(PostgresSettings(postgres_url))


def test_a_mission_is_remembered_whole(database: Database) -> None:
    database.mission('r1', 'dawn', 0, 59.5, 60, 'request', '{"site": "A"}')
    database.samples('r1', 'dawn', 'odom.distance', at1=100.0, at30=120.0, at59=142.5)
    database.recording('r1', 'dawn', 'recorder/1', '/scan', 10, 1000)
    database.recording('r1', 'dawn', 'recorder/2', '/scan', 5, 500)
    database.recording('r1', 'dawn', 'recorder/2', '/tf', 7, 70)
    for _ in range(3):
        database.execute(
            "INSERT INTO event VALUES (now(), 'r1', 'dawn', 'anomaly', 'warn', 'x', '{}')"
        )
    # Of others with the same names.
    database.recording('r2', 'dawn', 'recorder/1', '/odom', 1, 1)
    database.execute("INSERT INTO event VALUES (now(), 'r2', 'dawn', 'anomaly', 'warn', 'x')")
    assert missions(database.settings, ALL) == [
        Mission(
            robot_id='r1', mission_id='dawn', started_ns=T0, ended_ns=T0 + 60 * S,
            ended_by='request', last_seen_ns=T0 + 59_500_000_000, distance_m=42.5, topics=2,
            messages=22, bytes=1570, events=3, labels={'site': 'A'},
        )
    ]
    assert database.only().duration_s == 60.0


def test_an_open_mission_of_which_nothing_is_known_lasts_until_it_was_last_seen(
    database: Database,
) -> None:
    database.mission('r1', 'dawn', 0, 12.25)
    found = database.only()
    assert (found.ended_ns, found.ended_by, found.duration_s) == (None, None, 12.25)
    assert (found.distance_m, found.topics, found.messages, found.bytes, found.events) == (
        None, 0, 0, 0, 0
    )


def test_missions_come_by_start_then_robot_then_id(database: Database) -> None:
    starts = (('r2', 'b', 5), ('r1', 'c', 5), ('r1', 'B', 5), ('r9', 'a', 1))
    for robot, mission, started in starts:
        database.mission(robot, mission, started, 10)
    assert database.ids() == ['a', 'B', 'c', 'b']


def test_a_span_selects_the_missions_that_reach_into_it(database: Database) -> None:
    database.mission('r1', 'early', 0, 10, 10, 'request')
    database.mission('r1', 'late', 20, 30)

    def between(from_ns: int | None, to_ns: int | None) -> list[str]:
        return database.ids(Selection(from_ns=from_ns, to_ns=to_ns))

    assert between(T0 + 10 * S, T0 + 20 * S) == ['early']
    assert between(T0 + 10 * S + 1000, T0 + 20 * S + 1000) == ['late']
    assert between(T0 + 5 * S, T0 + 25 * S) == ['early', 'late']
    assert between(T0 + 30 * S, None) == ['late']
    with pytest.raises(NothingMatchedError):
        between(T0 + 30 * S + 1000, None)
    assert between(None, T0 + 1000) == ['early']
    with pytest.raises(NothingMatchedError):
        between(None, T0)


def test_missions_are_selected_by_robot_id_and_label(database: Database) -> None:
    database.mission('r1', 'dawn', 0, 1, labels='{"site": "A", "crew": "7"}')
    database.mission('r2', 'dawn', 0, 1, labels='{"site": "A"}')
    database.mission('r2', 'noon', 5, 6)
    assert database.ids(Selection(robots=('r2',))) == ['dawn', 'noon']
    assert database.ids(Selection(missions=('noon',))) == ['noon']
    assert len(database.ids(Selection(labels={'site': 'A'}))) == 2
    [found] = missions(database.settings, Selection(labels={'site': 'A', 'crew': '7'}))
    assert found.robot_id == 'r1'


def test_the_distance_is_that_of_the_first_metric_that_has_samples(database: Database) -> None:
    database.mission('r1', 'dawn', 0, 100)
    database.samples('r1', 'dawn', 'amcl.distance', at5=None)
    database.samples('r1', 'dawn', 'odom.distance', at5=None, at10=7.0, at20=9.0, at30=None)
    database.samples('r1', 'dawn', 'wheel.distance', at10=0.0, at20=100.0)
    database.samples('r1', 'dawn', 'a.distance_left', at10=0.0, at20=50.0)
    assert database.only().distance_m == 2.0


def test_the_distance_of_a_mission_is_not_that_of_another(database: Database) -> None:
    database.mission('r1', 'dawn', 0, 15, 10, 'next')
    database.mission('r1', 'noon', 10, 20)
    database.mission('r2', 'dawn', 0, 20)
    database.samples('r1', 'dawn', 'odom.distance', at0=0.0, at10=5.0)
    database.samples('r1', 'noon', 'odom.distance', at11=6.0, at20=7.5)
    database.samples('r2', 'dawn', 'odom.distance', at0=40.0)
    found = missions(database.settings, ALL)
    assert [(each.robot_id, each.mission_id, each.distance_m) for each in found] == [
        ('r1', 'dawn', 5.0), ('r2', 'dawn', 0.0), ('r1', 'noon', 1.5)
    ]


def test_the_distance_goes_on_where_a_recorder_that_was_started_again_began_at_0(
    database: Database,
) -> None:
    database.mission('r1', 'dawn', 0, 100)
    database.samples(
        'r1', 'dawn', 'odom.distance',
        at0=50.0, at10=60.0, at20=0.0, at30=5.0, at40=None, at50=0.0, at60=70.0,
    )
    assert database.only().distance_m == 10.0 + 5.0 + 70.0


def test_what_a_robot_drove_for_another_mission_between_is_not_in_the_distance(
    database: Database,
) -> None:
    database.mission('r1', 'dawn', 0, 100)
    database.mission('r1', 'noon', 20, 40, 40, 'next')
    database.samples('r1', 'dawn', 'odom.distance', at0=0.0, at10=3.0)
    database.samples('r1', 'noon', 'odom.distance', at20=4.0, at30=104.0)
    database.samples('r1', 'dawn', 'odom.distance', at40=105.0, at50=107.0)
    found = missions(database.settings, ALL)
    assert [(each.mission_id, each.distance_m) for each in found] == [
        ('dawn', 5.0), ('noon', 100.0)
    ]


def test_an_open_mission_is_lost_where_its_robot_was_not_seen_for_long(database: Database) -> None:
    database.mission('r1', 'dawn', 0, 10)
    database.execute("UPDATE mission SET last_seen = now() - interval '100 s'")
    stored = database.only()
    assert stored.ended_by is None
    assert database.only(lost_after_s=None) == stored
    assert database.only(lost_after_s=200.0) == stored
    assert database.only(lost_after_s=1e300) == database.only(lost_after_s=inf) == stored
    lost = database.only(lost_after_s=50.0)
    assert (lost.ended_by, lost.ended_ns) == ('lost', lost.last_seen_ns)
    database.execute("UPDATE mission SET ended = last_seen, ended_by = 'request'")
    assert database.only(lost_after_s=50.0).ended_by == 'request'


@pytest.mark.parametrize(
    ('selection', 'text'),
    [
        (Selection(topics=('/odom',)), '--topic /odom: missions are not selected by it'),
        (Selection(sensors=('lidar',)), '--sensor lidar: missions are not selected by it'),
    ],
)
def test_a_selection_of_topics_or_sensors_is_refused(
    database: Database, selection: Selection, text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        database.ids(selection)


def test_a_time_without_a_sign_of_life_is_more_than_none(database: Database) -> None:
    with pytest.raises(ConfigurationError, match='lost_after_s 0: accepted is more than 0'):
        missions(database.settings, ALL, lost_after_s=0)


def test_who_finds_nothing_is_told_what_there_is(database: Database) -> None:
    for number in range(12):
        database.mission('r1', f'm{number}', number, number + 1)
    with pytest.raises(NothingMatchedError) as error:
        database.ids(Selection(missions=('dawn',)))
    assert str(error.value) == (
        'nothing matches --mission dawn; there is r1 (missions 2 and the last m2, m3, m4, m5, m6, '
        'm7, m8, m9, m10, m11; 2025-11-23 12:13:20.000 UTC to 2025-11-23 12:13:32.000 UTC)'
    )


def test_any_number_of_missions_is_one_statement_with_an_index(database: Database) -> None:
    database.execute(
        "INSERT INTO mission SELECT 'r1', 'm' || i, to_timestamp(%s + i * 100), NULL, NULL, "
        'to_timestamp(%s + i * 100 + 99) FROM generate_series(0, 999) AS i', T0 // S, T0 // S,
    )
    database.execute("INSERT INTO metric_info VALUES ('r1', 'odom.distance', 'm', '', '')")
    database.execute(
        "INSERT INTO metric SELECT to_timestamp(%s + i), 'r1', 'm' || i / 100, 'odom.distance', i "
        'FROM generate_series(0, 99999) AS i', T0 // S,
    )
    database.execute('ANALYZE')
    found = missions(database.settings, ALL)
    assert len(found) == 1000
    assert {each.distance_m for each in found} == {99.0}
    with connect(database.settings) as connection:
        connection.execute('SELECT pg_stat_force_next_flush()')
        [scans] = connection.execute(
            "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'metric'"
        ).fetchall()
    assert scans[0] < 1000
