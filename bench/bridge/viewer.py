"""
The process that looks at a server of foxglove-sdk, or at the bridge, as Foxglove does.

It says ``subscribed`` and the port that it comes from once it has asked for all topics, and when a
line arrives on its standard input it prints what it noted as one line of JSON. One that stalls
reads nothing any more from a first such line on.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading

from twinsight_bridge.front.protocol import MESSAGE_DATA

from .arrivals import Arrivals, SEARCHED_BYTES
from .frames import BINARY, CLOSE, FrameSocket, TEXT

_HEAD_BYTES = 13  # opcode u8, subscription u32, log time u64


def main() -> int:
    """Look at topics, given as a JSON list, until told to report; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('url')
    parser.add_argument('topics', type=json.loads)
    parser.add_argument('--acknowledge', action='store_true')
    parser.add_argument('--stalls', action='store_true')
    options = parser.parse_args()
    lines = threading.Semaphore(0)
    threading.Thread(target=_count_lines, args=(lines,), daemon=True).start()
    with FrameSocket(options.url, options.acknowledge) as connection:
        viewer = _Viewer(connection, options.topics)
        try:
            viewer.look(lines)
            if options.stalls:
                lines.acquire()
        except ConnectionError as error:
            print(f'viewer: {error}', file=sys.stderr)
            return 1
        print(json.dumps(viewer.arrivals.report()), flush=True)
    return 0


def _count_lines(lines: threading.Semaphore) -> None:
    for _ in sys.stdin:
        lines.release()


class _Viewer:
    def __init__(self, connection: FrameSocket, topics: list[str]) -> None:
        self.arrivals = Arrivals()
        self._connection = connection
        self._missing = set(topics)
        self._topics: dict[bytes, str] = {}

    def look(self, lines: threading.Semaphore) -> None:
        """Read until a line comes."""
        while not lines.acquire(blocking=False):
            for opcode, frame in self._connection.frames():
                if opcode == BINARY and frame[0] == MESSAGE_DATA:
                    beginning = bytes(frame[_HEAD_BYTES:_HEAD_BYTES + SEARCHED_BYTES])
                    topic = self._topics[bytes(frame[1:5])]
                    self.arrivals.add(topic, beginning, len(frame) - _HEAD_BYTES)
                elif opcode == TEXT:
                    self._told(bytes(frame))
                elif opcode == CLOSE:
                    raise ConnectionResetError('the server closed the connection')
            self._connection.receive()

    def _told(self, text: bytes) -> None:
        told = json.loads(text)
        if told['op'] == 'status':
            print(f'viewer: {told["message"]}', file=sys.stderr)
        for channel in told.get('channels', ()) if told['op'] == 'advertise' else ():
            if channel['topic'] in self._missing:
                self._subscribe(channel['topic'], channel['id'])

    def _subscribe(self, topic: str, channel: int) -> None:
        self._missing.remove(topic)
        flow = len(self._topics)
        self._topics[flow.to_bytes(4, 'little')] = topic
        self._connection.send(
            {'op': 'subscribe', 'subscriptions': [{'id': flow, 'channelId': channel}]}
        )
        if not self._missing:
            print(json.dumps({'subscribed': self._connection.port}), flush=True)


if __name__ == '__main__':
    sys.exit(main())
