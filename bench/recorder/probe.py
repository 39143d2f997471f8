"""
When messages can be found in the store: asked for while the load runs.

One small question a period: what is the entry's newest record? Where that one is still being
written, a query for what came since the last answer finds the newest that is whole. A record
counts as found at the first answer that names it or a later one, so latencies are too long by
half a period on average and by one period, and what the answer takes, at most.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
import http.client
import json
import threading
import time
from urllib.parse import quote, urlsplit

from twinsight_store.batch_response import parse_batch

PERIOD_S = 0.015
_OK = 200
_UNFINISHED = 425


class Probe:
    """Watches one entry of a bucket in a thread of its own, from start() to stop()."""

    def __init__(self, url: str, bucket: str, entry: str) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or '127.0.0.1', parts.port or 80
        self._bucket = bucket
        self._entry = entry
        self._newest_us: list[int] = []
        self._seen_ns: list[int] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def latencies_ms(
        self, records_us: Sequence[int], messages: Sequence[tuple[int, int]]
    ) -> list[float]:
        """
        Return the time from publishing to finding, for each message that was found (ms).

        records_us  timestamps of the entry's records
        messages    receive and publish times (ns) of the messages in them
        """
        found = []
        records_us = sorted(records_us)
        for receive_ns, publish_ns in messages:
            record = max(bisect_right(records_us, receive_ns // 1000) - 1, 0)
            answer = bisect_left(self._newest_us, records_us[record])
            if answer < len(self._newest_us):
                found.append((self._seen_ns[answer] - publish_ns) * 1e-6)
        return found

    def _run(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=5.0)
        while not self._stopping.wait(PERIOD_S):
            try:
                newest_us = self._ask(connection)
            except (OSError, http.client.HTTPException):
                connection.close()
                continue
            if newest_us > (self._newest_us or [0])[-1]:
                self._newest_us.append(newest_us)
                self._seen_ns.append(time.time_ns())
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> int:
        """Return the timestamp (µs) of the newest record that is whole, 0 for nothing new."""
        path = f'/api/v1/b/{self._bucket}/{quote(self._entry)}'
        status, headers, _ = _request(connection, 'HEAD', path)
        if status == _UNFINISHED:
            return self._newest_whole(connection)
        return int(headers.get('x-reduct-time', 0)) if status == _OK else 0

    def _newest_whole(self, connection: http.client.HTTPConnection) -> int:
        question: dict[str, object] = {
            'query_type': 'QUERY', 'entries': [self._entry], 'only_metadata': True,
        }
        if self._newest_us:
            question['start'] = self._newest_us[-1] + 1
        path = f'/api/v1/io/{self._bucket}'
        status, _, body = _request(connection, 'POST', f'{path}/q', json.dumps(question))
        newest_us = 0
        query = {'x-reduct-query-id': str(json.loads(body)['id'])} if status == _OK else {}
        while query:
            status, headers, _ = _request(connection, 'HEAD', f'{path}/read', headers=query)
            if status != _OK:
                break
            newest_us = max(
                [newest_us, *(record.timestamp_us for record in parse_batch(headers, b''))]
            )
            if headers.get('x-reduct-last') == 'true':
                break
        return newest_us


def _request(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Mapping[str, str], bytes]:
    own = {'Content-Type': 'application/json'} if body else {}
    connection.request(method, path, body, {**own, **(headers or {})})
    response = connection.getresponse()
    lines = {name.lower(): value for name, value in response.getheaders()}
    return response.status, lines, response.read()
