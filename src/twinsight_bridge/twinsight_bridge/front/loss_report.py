"""What one viewer lost, by topic, for the viewer itself and for whoever runs the bridge."""

from __future__ import annotations

from twinsight_bridge.front.outgoing import Loss, Outgoing

_MOST_NAMED = 3


class LossReport:
    """
    Names the losses of a viewer's queue by topic.

    topics  names of the server's channels by id
    """

    def __init__(self, outgoing: Outgoing) -> None:
        """Make one of a queue."""
        self.topics: dict[int, str] = {}
        self._outgoing = outgoing
        self._channels: dict[int, int] = {}
        self._ended: dict[str, Loss] = {}
        self._told = 0

    def begin(self, flow: int, channel: int) -> None:
        """Remember the channel of a subscription."""
        self._channels.setdefault(flow, channel)

    def end(self, flow: int) -> None:
        """Keep the loss of a subscription that ends."""
        topic = self._topic(flow)
        lost = self._outgoing.end_flow(flow)
        if lost.messages:
            self._ended[topic] = _sum(self._ended.get(topic), lost)
        self._channels.pop(flow, None)

    def by_topic(self) -> dict[str, Loss]:
        """Return the messages that were left out since the viewer came, by topic."""
        found = dict(self._ended)
        for flow, lost in self._outgoing.losses().items():
            topic = self._topic(flow)
            found[topic] = _sum(found.get(topic), lost)
        return found

    def news(self) -> str:
        """Return a sentence on the losses where there are more than last time."""
        lost = self.by_topic()
        total = sum(each.messages for each in lost.values())
        if total == self._told:
            return ''
        self._told = total
        worst = sorted(lost, key=lambda topic: -lost[topic].messages)
        named = ', '.join(f'{lost[topic].messages} of {topic}' for topic in worst[:_MOST_NAMED])
        more = f' and {len(worst) - _MOST_NAMED} more topics' if len(worst) > _MOST_NAMED else ''
        return f'connection too slow, messages left out so far: {named}{more}'

    def _topic(self, flow: int) -> str:
        return self.topics.get(self._channels.get(flow, -1), '(time)')


def _sum(one: Loss | None, other: Loss) -> Loss:
    if one is None:
        return other
    return Loss(one.messages + other.messages, one.size + other.size)
