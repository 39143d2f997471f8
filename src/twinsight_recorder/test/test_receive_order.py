"""Receive times in the order of the publishers, without ROS."""

from twinsight_recorder.raw.receive_order import ReceiveOrder


def test_messages_that_waited_for_one_before_them_came_with_it():
    order = ReceiveOrder()
    taken = [order.time_of(b'a', receive_ns) for receive_ns in (100, 900, 300, 500, 902, 2000)]
    assert taken == [100, 900, 901, 902, 903, 2000]


def test_other_publishers_have_times_of_their_own():
    order = ReceiveOrder()
    assert order.time_of(b'a', 900) == 900
    assert order.time_of(b'b', 300) == 300
    assert order.time_of(b'a', 500) == 901


def test_a_clock_that_is_set_back_is_followed_once_nothing_waits():
    order = ReceiveOrder()
    assert order.time_of(b'a', 900) == 900
    order.all_taken()
    assert order.time_of(b'a', 300) == 300
