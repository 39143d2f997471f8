"""The thread that takes messages from DDS for the viewers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
import threading

from rclpy.context import Context
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy

from twinsight_bridge.live.raw_subscription import RawSubscription

_FOREVER = -1


class Taker:
    """
    Waits for all subscriptions at once, and takes from those that have something.

    An executor would make a task of each message, which costs more than the message.
    """

    def __init__(self, context: Context, flush: Callable[[], object]) -> None:
        """Make one; start() begins. flush is called after each turn in which something came."""
        self._flush = flush
        handle = context.handle
        assert handle is not None  # the context was initialized
        self._context = handle
        self._guard = _rclpy.GuardCondition(handle)
        self._subscriptions: tuple[RawSubscription, ...] = ()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name='twinsight-take', daemon=True)

    def start(self) -> None:
        """Begin to take."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and then all subscriptions."""
        self._stopping = True
        self._guard.trigger_guard_condition()
        self._thread.join()
        for subscription in self._subscriptions:
            subscription.end()
        with self._guard:
            self._guard.destroy_when_not_in_use()

    def add(self, subscription: RawSubscription) -> None:
        """Take from a subscription from now on."""
        self._subscriptions = (*self._subscriptions, subscription)
        self._guard.trigger_guard_condition()

    def remove(self, subscription: RawSubscription) -> None:
        """Take no more from a subscription, and end it."""
        self._subscriptions = tuple(
            each for each in self._subscriptions if each is not subscription
        )
        subscription.end()
        self._guard.trigger_guard_condition()

    def _run(self) -> None:
        while not self._stopping:
            self._take_from(self._subscriptions)

    def _take_from(self, subscriptions: tuple[RawSubscription, ...]) -> None:
        """Take until there are other subscriptions."""
        with ExitStack() as in_use:
            handles = {}
            for each in subscriptions:
                try:
                    in_use.enter_context(each.handle)
                except _rclpy.InvalidHandle:
                    continue  # it was ended meanwhile
                handles[each.handle.pointer] = each
            in_use.enter_context(self._guard)
            waiting = _rclpy.WaitSet(len(handles), 1, 0, 0, 0, 0, self._context)
            in_use.enter_context(waiting)
            while subscriptions is self._subscriptions and not self._stopping:
                waiting.clear_entities()
                for subscription in handles.values():
                    waiting.add_subscription(subscription.handle)
                waiting.add_guard_condition(self._guard)
                waiting.wait(_FOREVER)
                for pointer in waiting.get_ready_entities('subscription'):
                    handles[pointer].take_waiting()
                self._flush()
