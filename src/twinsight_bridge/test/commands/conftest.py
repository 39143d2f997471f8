"""The acting side of the api over real HTTP, and a robot on real DDS that it acts on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, ExitStack
from pathlib import Path
import socket
import threading
import time
from typing import Any

from fastapi import Depends, FastAPI
import httpx
import psycopg
import pytest
from pytest_ros import RosDomain, wait_until
from pytest_servers import absent
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
import uvicorn
import yaml

from twinsight_bridge.commands.acting_settings import ActingSettings
from twinsight_bridge.web import acting
from twinsight_bridge.web.app import ApiSettings
from twinsight_bridge.web.errors import add_error_handlers
from twinsight_bridge.web.known_parameters import refuse_unknown_parameters
from twinsight_bridge.web.stores import opened, StoreAddresses
from twinsight_store.history.postgres import PostgresSettings

ENDED = ('succeeded', 'failed', 'refused', 'timed_out', 'cancelled')


class Api(httpx.Client):
    """A client of a server of its own."""

    running: _Running

    def stop(self) -> None:
        """Have the server end, and return when it has."""
        self.running.stop()

    def command(self, robot_id: str, command_id: str) -> Any:
        """Return a command as it stands."""
        answer = self.get(f'/robots/{robot_id}/commands/{command_id}')
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ended(self, robot_id: str, command_id: str) -> Any:
        """Return a command when it has ended."""
        wait_until(lambda: self.command(robot_id, command_id)['state'] in ENDED)
        return self.command(robot_id, command_id)

    @staticmethod
    def stored(postgres_url: str) -> list[Any]:
        """Return kind, severity, message, data and mission of all events in the database."""
        with psycopg.connect(postgres_url) as connection:
            return connection.execute(
                'SELECT kind, severity, message, data, mission_id FROM event ORDER BY time'
            ).fetchall()

    def events(self) -> Any:
        """Return how events get into PostgreSQL."""
        return self.get('/robots/robot_05/commands').json()['events'][0]


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., str]:
    """Return what writes parameters of the api into a file, and returns its name."""

    def write(**parameters: Any) -> str:
        file = tmp_path / 'api.yaml'
        file.write_text(yaml.safe_dump({'api': {'ros__parameters': parameters}}))
        return str(file)

    return write


@pytest.fixture
def start_api(
    write_config: Callable[..., str], monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Api]]:
    """
    Return what starts a server with parameters of its file, and gives a client of it.

    Where the parameters need ROS it is in the test's domain.
    """
    with ExitStack() as stack:
        def start(
            postgres_url: str = '', token: str = '', origins: tuple[str, ...] = ('*',),
            **parameters: Any,
        ) -> Api:
            file = write_config(**parameters)
            settings = ActingSettings.from_file(file)
            if settings.needs_ros:
                ros: RosDomain = request.getfixturevalue('ros')
                monkeypatch.setenv('ROS_DOMAIN_ID', str(ros.id))
            history = PostgresSettings(postgres_url, patience_s=2) if postgres_url else None
            addresses = StoreAddresses(None, history, None, {'ReductStore': 'not set'})
            app = _app(settings, file, addresses, token, origins)
            return stack.enter_context(_Running(app))

        yield start


def _app(
    settings: ActingSettings, file: str, addresses: StoreAddresses, token: str,
    origins: tuple[str, ...],
) -> FastAPI:
    """Return an application as create_app() puts it together, with the acting side only."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(addresses) as stores, acting.opened(app, stores):
            yield

    app = FastAPI(lifespan=lifespan, dependencies=[Depends(refuse_unknown_parameters)])
    app.state.settings = ApiSettings(addresses, origins)
    acting.mount(app, settings, file, {'TWINSIGHT_API_TOKEN': token})
    add_error_handlers(app)
    return app


class _Running:
    """A server in a thread."""

    def __init__(self, app: FastAPI) -> None:
        self._server = uvicorn.Server(uvicorn.Config(app, log_level='error'))
        self._listening = socket.create_server(('127.0.0.1', 0))
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listening],), daemon=True
        )

    def __enter__(self) -> Api:
        self._thread.start()
        wait_until(lambda: self._server.started or not self._thread.is_alive())
        assert self._server.started
        host, port = self._listening.getsockname()
        self._client = Api(base_url=f'http://{host}:{port}', timeout=30)
        self._client.running = self
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self.stop()

    def stop(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(30)
        self._listening.close()
        assert not self._thread.is_alive()


@pytest.fixture
def actions() -> Any:
    """Return action types; what needs them is skipped where no package has any."""
    try:
        from test_msgs import action
    except ImportError:
        absent('no actions to test with: install ROS package test_msgs')
    return action


class Counter:
    """
    An action server of a robot; a goal counts up to its order, or until it is cancelled.

    answers   is cleared while it is not to say whether it takes a goal
    finishes  is cleared while no goal is to reach its end
    """

    def __init__(
        self, ros: RosDomain, actions: Any, accepts: bool = True, counts: bool = True
    ) -> None:
        """Make one that serves until leave(); without counts a goal is taken, and no more."""
        self.node = ros.node('counter', '/robot_05')
        self.goals: list[int] = []
        self.cancelled: list[int] = []
        self.begun = threading.Event()
        self.accepts, self.cancels = accepts, True
        self.answers, self.finishes = threading.Event(), threading.Event()
        self.answers.set()
        self.finishes.set()
        self._actions, self._left = actions, False
        self.server = ActionServer(
            self.node, actions.Fibonacci, 'count', self._execute,
            callback_group=ReentrantCallbackGroup(), goal_callback=self._judge,
            handle_accepted_callback=lambda goal: goal.execute() if counts else None,
            cancel_callback=lambda goal: (
                CancelResponse.ACCEPT if self.cancels else CancelResponse.REJECT
            ),
        )
        executor = MultiThreadedExecutor(4, context=ros.context)
        executor.add_node(self.node)
        thread = threading.Thread(target=executor.spin, daemon=True)
        thread.start()
        self._serving = executor, thread

    def leave(self) -> None:
        """End; a goal that runs is left."""
        executor, thread = self._serving
        self._left = True
        self.answers.set()
        executor.shutdown()
        thread.join(5)

    def vanish(self) -> None:
        """End, without a word on the goals."""
        self.leave()  # rclpy may keep for ever what is ended while an executor looks at it
        self.server.destroy()

    def _judge(self, goal: Any) -> GoalResponse:
        self.answers.wait()
        return GoalResponse.ACCEPT if self.accepts else GoalResponse.REJECT

    def _execute(self, goal: Any) -> Any:
        self.goals.append(goal.request.order)
        done: list[int] = []
        while not self._left and (len(done) < goal.request.order or not self.finishes.is_set()):
            if goal.is_cancel_requested:
                self.cancelled.append(goal.request.order)
                goal.canceled()
                return self._actions.Fibonacci.Result(sequence=done)
            if len(done) < goal.request.order:
                done.append(len(done))
                goal.publish_feedback(self._actions.Fibonacci.Feedback(sequence=done))
                self.begun.set()
            time.sleep(0.01)
        if goal.request.order == 13:
            goal.abort()
        else:
            goal.succeed()
        return self._actions.Fibonacci.Result(sequence=done)


@pytest.fixture
def make_counter(ros: RosDomain, actions: Any) -> Iterator[Callable[..., Counter]]:
    """Return what makes an action server, which counts."""
    made: list[Counter] = []

    def make(**options: Any) -> Counter:
        made.append(Counter(ros, actions, **options))
        return made[-1]

    yield make
    for each in made:
        each.leave()


@pytest.fixture
def node(ros: RosDomain) -> Node:
    """Return a robot's node; what the test adds to it is served."""
    made = ros.node('robot', '/robot_05')
    ros.serve(made)
    return made
