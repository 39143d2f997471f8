"""What the tests of the simulation share."""

from collections.abc import Callable

import pytest
from rclpy.serialization import deserialize_message

from twinsight_sim.ahead import planned
from twinsight_sim.settings import SimSettings
from twinsight_sim.simulation import Simulation
from twinsight_sim.topics import TOPICS

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000


class Recording:
    """Everything that a simulation sent in its first seconds."""

    def __init__(self, seconds: float, start_ns: int = START_NS, **parameters) -> None:
        settings = SimSettings(**parameters)
        self.sent = list(planned(Simulation(settings), start_ns, round(seconds * SECOND_NS)))

    def of(self, key: str) -> list[tuple[float, object]]:
        """Return simulation time (s) and message of everything sent on one topic."""
        kind = TOPICS[key].type
        return [(item.due_ns / SECOND_NS, deserialize_message(item.data, kind))
                for item in self.sent if item.key == key]


@pytest.fixture
def record() -> Callable[..., Recording]:
    return Recording
