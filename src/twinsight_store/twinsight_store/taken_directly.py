"""Subscriptions that no executor serves: whoever made them takes their messages."""

from __future__ import annotations

from rclpy.callback_groups import CallbackGroup


class TakenDirectly(CallbackGroup):
    """Keeps subscriptions out of the executor: one call of it costs more than twenty messages."""

    def can_execute(self, entity: object) -> bool:
        """Return False: nobody waits for these."""
        return False

    def beginning_execution(self, entity: object) -> bool:
        """Return False, as can_execute() does."""
        return False

    def ending_execution(self, entity: object) -> None:
        """Do nothing: nothing was executed."""


def never_called(*_: object) -> None:
    """Stand as the callback of such a subscription."""
    raise AssertionError('the executor does not serve these subscriptions')
