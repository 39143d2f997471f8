from twinsight_recorder.mission.choice import first_mission, Mission, Origin

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
