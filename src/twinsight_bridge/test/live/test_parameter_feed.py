"""Watching parameters, while nodes are still asked what there is."""

import asyncio

from twinsight_bridge.live.parameter_feed import ParameterFeed

ALL = {'parameterNames': []}


class SlowNodes:
    """Knows no parameter before answer() is called."""

    def __init__(self):
        self._answered = asyncio.Event()

    def answer(self):
        self._answered.set()

    async def fetch(self, names):
        await self._answered.wait()

    def known(self, names):
        return [{'name': '/planner.speed'}] if self._answered.is_set() else []


def test_who_leaves_while_the_nodes_are_asked_is_not_told_of_changes():
    async def run():
        nodes = SlowNodes()
        feed = ParameterFeed(nodes, lambda: None)
        asked = asyncio.create_task(feed.subscribe('viewer', ALL))
        await asyncio.sleep(0)
        while_asked = feed.is_watched
        await feed.unsubscribe('viewer', ALL)
        nodes.answer()
        await asked
        return while_asked, feed.is_watched

    assert asyncio.run(run()) == (True, False)
