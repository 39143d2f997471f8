"""Reading from a time on, beginning with the scene that a viewer would have had before it then."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter

from twinsight_bridge.playback.held_messages import HeldMessages
from twinsight_replay.piece_queue import Piece
from twinsight_replay.playing import Feed
from twinsight_store.message import Message

SCENE_NS = 1_200_000_000
"""What came so long before, and is the latest of its topic, is still shown: also once a second."""

_RECEIVE_NS = attrgetter('receive_ns')


class SceneFeed:
    """
    A player's feed over another one; each reading begins with a piece that holds at its time.

    That piece has what is latched, then of every other topic the latest message of the time
    before, then what came at that very time. So a viewer that goes to another time sees images
    and poses at once, also while paused, and not only the map.
    """

    def __init__(self, feed: Feed, scene_ns: int = SCENE_NS) -> None:
        """Make one; scene_ns is how long a message that is not latched holds."""
        self._feed = feed
        self._scene_ns = scene_ns
        self._from_ns: int | None = None
        self._scene = HeldMessages()
        self._rest: Piece | None = None

    @property
    def span_ns(self) -> tuple[int, int]:
        """Return when the messages begin and end (Unix ns), to within a chunk."""
        return self._feed.span_ns

    def start(self, from_ns: int | None, latched: bool = False) -> None:
        """Read from a time on; without ``latched`` the piece of what holds is left out."""
        self._scene, self._rest = HeldMessages(), None
        self._from_ns = from_ns if latched else None
        if self._from_ns is None or from_ns is None:
            self._feed.start(from_ns, latched)
        else:
            begin_ns = max(self._feed.span_ns[0], from_ns - self._scene_ns)
            self._feed.start(min(begin_ns, from_ns), latched)

    def take(self) -> Piece | None:
        """Return the next piece, or None where none is there yet; raises what reading raised."""
        while self._from_ns is not None:
            piece = self._feed.take()
            if piece is None:
                return None
            scene = self._gather(piece, self._from_ns)
            if scene is not None:
                self._from_ns = None
                return scene
        if self._rest is not None:
            rest, self._rest = self._rest, None
            return rest
        return self._feed.take()

    def _gather(self, piece: Piece, from_ns: int) -> Piece | None:
        """Keep what came before a time; return what holds then, when no more of it can come."""
        messages = piece.messages
        at = len(messages) if piece.latched else bisect_left(messages, from_ns, key=_RECEIVE_NS)
        for message in messages[:at]:
            self._scene.keep(_topic(message), message)
        if piece.latched or (at == len(messages) and piece.until_ns < from_ns):
            return None
        after = bisect_right(messages, from_ns, lo=at, key=_RECEIVE_NS)
        self._rest = Piece(messages[after:] if after else messages, piece.until_ns)
        return Piece([*self._scene.all(), *messages[at:after]], from_ns, latched=True)


def _topic(message: Message) -> tuple[str, str, str]:
    return message.robot_id, message.topic, message.type_name
