import pytest

from twinsight_recorder.mission.choice import (
    automatic_id,
    checked_id,
    first_mission,
    Mission,
    Origin,
    requested_id,
)
from twinsight_store.errors import ConfigurationError

NOW_NS = 1_764_000_000_000_000_000


def mission(origin, began_ns):
    return Mission('m', began_ns, origin)


def test_a_mission_of_date_and_time_gives_way_to_any_that_somebody_chose():
    automatic = first_mission('', NOW_NS)
    assert automatic.mission_id == '20251124T160000Z'
    assert automatic.gives_way_to(mission(Origin.PARAMETER, NOW_NS - 1))
    assert automatic.gives_way_to(mission(Origin.REQUEST, NOW_NS - 1))


def test_nodes_that_start_together_without_a_mission_agree_on_the_older_one():
    first, second = first_mission('', NOW_NS), first_mission('', NOW_NS + 1)
    assert second.gives_way_to(first)
    assert not first.gives_way_to(second)
    assert not first.gives_way_to(first)


def test_of_two_that_were_asked_for_the_newer_one_holds():
    asked = mission(Origin.REQUEST, NOW_NS)
    assert asked.gives_way_to(mission(Origin.REQUEST, NOW_NS + 1))
    assert not asked.gives_way_to(mission(Origin.REQUEST, NOW_NS))
    assert not asked.gives_way_to(mission(Origin.REQUEST, NOW_NS - 1))


def test_a_node_that_is_started_again_with_its_parameter_does_not_end_a_mission_in_progress():
    asked = mission(Origin.REQUEST, NOW_NS)
    restarted = first_mission('m', NOW_NS + 1)
    assert not asked.gives_way_to(restarted)
    assert restarted.gives_way_to(asked)


def test_two_missions_that_are_asked_for_never_get_the_same_id():
    assert requested_id(NOW_NS + 5) == '20251124T160000.000000005Z'
    last = NOW_NS + 999_999_999
    ids = {requested_id(each) for each in (NOW_NS, NOW_NS + 1, last, last + 1, last + 10**9)}
    assert len(ids) == 5
    assert requested_id(last) == '20251124T160000.999999999Z'
    assert requested_id(NOW_NS) != automatic_id(NOW_NS)


@pytest.mark.parametrize('mission_id', ['A', 'run 7 – Halle (Süd) 🤖', 'x' * 200])
def test_an_id_is_printable_text(mission_id):
    assert checked_id(mission_id) == mission_id
    assert first_mission(mission_id, NOW_NS).mission_id == mission_id


@pytest.mark.parametrize('mission_id', [
    'a\nb', 'nul\0', 'tab\t', ' a', 'a ', ' ', 'half a pair \ud800', '\x1b[31m', 'x' * 201,
])
def test_any_other_id_is_refused_in_one_line(mission_id):
    with pytest.raises(ConfigurationError) as refused:
        first_mission(mission_id, NOW_NS)
    said = str(refused.value)
    assert said.startswith('mission_id ') and said.isprintable() and len(said) < 150
    assert 'accepted are 1 to 200 printable characters' in said
