"""The ROS node of the api: served in a thread of its own, asked from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
import logging
import threading
from typing import Any, TypeVar

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

T = TypeVar('T')

_POLL_S = 0.01
_END_S = 5.0

_log = logging.getLogger(__name__)


class RosNode:
    """
    A node and its thread; made by opened().

    What makes and ends publishers, clients and goals runs in that thread: it holds up no event
    loop, and no answer comes before rclpy has noted whose it is, as it does for goals else.
    """

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        """Make one of a node that the executor serves."""
        self.node = node
        self._executor = executor
        self._waiting: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def run(self, work: Callable[[], T]) -> T:
        """Return what the work returns; it runs in the node's thread."""
        settled: asyncio.Future[T] = self._future()
        loop = settled.get_loop()

        def do() -> None:
            try:
                _tell(loop, settled, work(), None)
            except Exception as error:  # it would end the thread
                _tell(loop, settled, None, error)

        self._executor.create_task(do)
        return await settled

    async def asked(self, ask: Callable[[], Future[Any]]) -> asyncio.Future[Any]:
        """Return what a future of ROS becomes; ask() makes it in the node's thread."""
        settled = self._future()
        loop = settled.get_loop()

        def watched() -> None:
            ask().add_done_callback(answered)

        def answered(done: Future[Any]) -> None:
            error = done.exception()
            _tell(loop, settled, None if error else done.result(), error)

        await self.run(watched)
        return settled

    def close(self) -> None:
        """Have nobody wait any more: the node is not served from now on."""
        self._closed = True
        for each in self._waiting:
            each.cancel()

    def _future(self) -> asyncio.Future[Any]:
        if self._closed:
            raise asyncio.CancelledError
        made: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.add(made)
        made.add_done_callback(self._waiting.discard)
        return made


async def until(condition: Callable[[], object], timeout_s: float) -> bool:
    """Return whether a condition comes to hold in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while not condition():
        if loop.time() >= end:
            return False
        await asyncio.sleep(_POLL_S)
    return True


@asynccontextmanager
async def opened(name: str, arguments: Sequence[str] = ()) -> AsyncIterator[RosNode]:
    """Give a node of that name, served for as long as the block runs; arguments are for ROS."""
    context = Context()
    rclpy.init(
        args=list(arguments), context=context, signal_handler_options=SignalHandlerOptions.NO
    )
    try:
        node = await asyncio.to_thread(Node, name, context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        thread = threading.Thread(target=_spin, args=(executor,), name='twinsight-ros')
        thread.start()
        ros = RosNode(node, executor)
        try:
            yield ros
        finally:
            ros.close()
            executor.shutdown()
            await asyncio.to_thread(thread.join, _END_S)
            node.destroy_node()
    finally:
        rclpy.try_shutdown(context=context)


def _spin(executor: SingleThreadedExecutor) -> None:
    while True:
        try:
            return executor.spin()
        except ExternalShutdownException:
            return None
        except Exception:
            _log.exception('a callback failed')  # the others go on


def _tell(
    loop: asyncio.AbstractEventLoop, settled: asyncio.Future[Any], result: Any,
    error: BaseException | None,
) -> None:
    def settle() -> None:
        if settled.done():
            return
        if error is None:
            settled.set_result(result)
        else:
            settled.set_exception(error)

    with suppress(RuntimeError):  # the loop has ended: nobody waits
        loop.call_soon_threadsafe(settle)
