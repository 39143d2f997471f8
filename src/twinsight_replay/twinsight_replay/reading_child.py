"""The process that reads for a ReadingProcess: it ends when that closes their stream."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
import os
import pickle
import select
import signal
import socket
import sys
from typing import Any

from twinsight_replay.piece_frames import Buffers, Kind, PieceSender, receive, send
from twinsight_replay.read_ahead import ReadAhead
from twinsight_replay.wakeup import Wakeup
from twinsight_store.errors import RecordError
from twinsight_store.open_timeline import open_timeline

_NICE = 10
"""What is read is needed later; who plays is not to wait for a processor."""

_OWN_BYTES = 8_000_000
"""What is read before it may be sent; what has been sent is bounded by the other side."""


class _Child:
    """Reads what it is told to, and sends it."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._pieces = PieceSender(stream)
        self._wakeup = Wakeup()
        self._bad: list[RecordError] = []
        self._generation = 0
        self._sent_bytes = 0  # and not taken yet

    def run(self) -> None:
        """Serve until the stream is closed."""
        frame = receive(self._stream, Buffers())
        if frame is None:
            return
        selection, settings, limit_bytes = frame[1]
        settings = replace(settings, on_bad_record=self._report)
        timeline = partial(open_timeline, selection, settings)
        try:
            own_bytes = min(_OWN_BYTES, limit_bytes)
            with ReadAhead(timeline, self._wakeup.set, own_bytes) as feed:
                opened = (list(feed.channels), feed.span_ns, dict(feed.shifts))
                send(self._stream, Kind.OPENED, opened)
                self._serve(feed, limit_bytes)
        except OSError:
            return  # the other side is gone
        except Exception as error:
            send(self._stream, Kind.FAILED, _portable(error))

    def _serve(self, feed: ReadAhead, limit_bytes: int) -> None:
        while True:
            ready = select.select([self._stream.fileno(), self._wakeup.fileno()], [], [])[0]
            self._wakeup.clear()
            if self._stream.fileno() in ready and not self._obey(feed):
                return
            self._send_bad()
            while self._sent_bytes < limit_bytes and (piece := feed.take()):
                self._send_bad()  # with the last piece playing may end
                self._sent_bytes += self._pieces.send(self._generation, piece)
                if select.select([self._stream], [], [], 0)[0]:
                    self._wakeup.set()  # there may be more to send after what is asked now
                    break

    def _obey(self, feed: ReadAhead) -> bool:
        """Take what was told; return whether the other side is still there."""
        frame = receive(self._stream, Buffers())
        if frame is None:
            return False
        kind, content, _ = frame
        if kind is Kind.START:
            self._generation, from_ns, latched = content
            self._sent_bytes = 0
            feed.start(from_ns, latched)
        elif kind is Kind.TAKEN and content[0] == self._generation:
            self._sent_bytes -= content[1]
        return True

    def _send_bad(self) -> None:
        """Tell of the records that could not be read; of those of a piece, before the piece."""
        while self._bad:
            send(self._stream, Kind.BAD, self._bad.pop(0))

    def _report(self, error: RecordError) -> None:
        self._bad.append(RecordError(str(error)))
        self._wakeup.set()


def _portable(error: Exception) -> Any:
    """Return an error that can be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f'{type(error).__name__}: {error}')
    return error


def main() -> None:
    """Read for the process at the other end of the stream whose number is the argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    with socket.socket(fileno=int(sys.argv[1])) as stream:
        _Child(stream).run()


if __name__ == '__main__':
    main()
