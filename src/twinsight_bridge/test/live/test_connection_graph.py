"""The updates that make one graph of another, as viewers get them."""

from twinsight_bridge.live.connection_graph import ConnectionGraph

CAMERA = ConnectionGraph({'/image': ['/camera']}, {}, {'/flash': ['/camera']})
BOTH = ConnectionGraph({'/image': ['/camera']}, {'/image': ['/detector']}, {})


def test_the_first_update_has_all():
    assert CAMERA.update_from(ConnectionGraph()) == {
        'op': 'connectionGraphUpdate',
        'publishedTopics': [{'name': '/image', 'publisherIds': ['/camera']}],
        'subscribedTopics': [],
        'advertisedServices': [{'name': '/flash', 'providerIds': ['/camera']}],
        'removedTopics': [], 'removedServices': [],
    }


def test_later_ones_have_what_changed():
    assert BOTH.update_from(CAMERA) == {
        'op': 'connectionGraphUpdate', 'publishedTopics': [],
        'subscribedTopics': [{'name': '/image', 'subscriberIds': ['/detector']}],
        'advertisedServices': [], 'removedTopics': [], 'removedServices': ['/flash'],
    }
    assert BOTH.update_from(BOTH) is None


def test_a_topic_that_loses_its_publisher_stays_while_it_has_a_subscriber():
    alone = ConnectionGraph({}, {'/image': ['/detector']}, {})
    update = alone.update_from(BOTH)
    assert update['publishedTopics'] == [{'name': '/image', 'publisherIds': []}]
    assert update['removedTopics'] == []
    gone = ConnectionGraph().update_from(BOTH)
    assert gone['removedTopics'] == ['/image']
    assert gone['publishedTopics'] == gone['subscribedTopics'] == []
