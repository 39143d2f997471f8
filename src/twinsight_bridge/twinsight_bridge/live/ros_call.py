"""Calling ROS services from the event loop, while an executor elsewhere serves the node."""

from __future__ import annotations

import asyncio
from typing import Any

from rclpy.client import Client

KNOWN_S = 0.25
"""
So long after it was made a client is asked with first.

It finds the server before the server finds it. A server that answers meanwhile waits 0.1 s in
Fast DDS, then the answer is lost.
"""

_POLL_S = 0.01


async def ros_call(client: Client, request: Any, timeout_s: float) -> Any:
    """
    Return the response; raise TimeoutError where the server does not answer in time.

    A request that is sent before DDS has found the server would be lost, so it waits for that.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    if not client.service_is_ready():
        while not client.service_is_ready() and loop.time() < end:
            await asyncio.sleep(_POLL_S)
        await asyncio.sleep(min(KNOWN_S, max(0.0, end - loop.time())))
    answered: asyncio.Future[Any] = loop.create_future()

    def settle(response: Any, error: BaseException | None) -> None:
        if answered.done():
            return
        if error is None:
            answered.set_result(response)
        else:
            answered.set_exception(error)

    def in_executor(done: Any) -> None:
        error = done.exception()
        loop.call_soon_threadsafe(settle, None if error else done.result(), error)

    pending = client.call_async(request)
    pending.add_done_callback(in_executor)
    try:
        return await asyncio.wait_for(answered, max(0.0, end - loop.time()))
    except asyncio.TimeoutError as error:
        client.remove_pending_request(pending)
        raise TimeoutError(
            f'{client.srv_name} did not answer within {timeout_s:g} s'
        ) from error
