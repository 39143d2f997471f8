import multiprocessing
import os
import signal

import pytest

from twinsight_tools import ros_domain
from twinsight_tools.messages import ToolError
from twinsight_tools.ros_domain import own_ros_domain


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(ros_domain.tempfile, 'gettempdir', lambda: str(tmp_path))
    monkeypatch.setattr(ros_domain, '_LARGEST', 3)


def test_each_holder_has_a_number_of_its_own_and_gives_it_back():
    with own_ros_domain() as first, own_ros_domain() as second:
        with own_ros_domain() as third:
            assert sorted((first, second, third)) == [1, 2, 3]
            with pytest.raises(ToolError, match='all 3 ROS domains are in use'):
                own_ros_domain().__enter__()
        with own_ros_domain() as again:
            assert again == third


def test_what_a_killed_holder_had_is_free_again():
    ready = multiprocessing.get_context('fork').Pipe()

    def hold():
        with own_ros_domain() as number:
            ready[1].send(number)
            signal.pause()

    holder = multiprocessing.get_context('fork').Process(target=hold)
    holder.start()
    held = ready[0].recv()
    with own_ros_domain() as one, own_ros_domain() as other:
        assert held not in (one, other)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(10)
    with own_ros_domain() as one, own_ros_domain() as two, own_ros_domain() as three:
        assert held in (one, two, three)
