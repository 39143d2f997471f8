"""
The process that listens to a robot's live values, as a dashboard would.

It says ``listening``, notes when each value comes until a line arrives on its standard input, and
then prints what it noted as one line of JSON. Now and then, when a value came, it also asks the
hash for it.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import redis

_ASK_EVERY_NS = 100_000_000
_WAKE_S = 0.2


def main() -> int:
    """Listen to the robot and the metrics of the command line; return the exit code."""
    url, robot_id, *metrics = sys.argv[1:]
    came: dict[str, list[tuple[int, int]]] = {name: [] for name in metrics}
    in_hash: dict[str, list[tuple[int, int]]] = {name: [] for name in metrics}
    asked_ns = dict.fromkeys(metrics, 0)
    stop = threading.Event()
    with redis.Redis.from_url(url) as client, client.pubsub() as channel:
        channel.subscribe(f'twinsight:metrics:{robot_id}')
        channel.get_message(timeout=5.0)  # that we are subscribed
        print('listening', flush=True)
        threading.Thread(target=_wait_for_line, args=(stop,), daemon=True).start()
        while not stop.is_set():
            message = channel.get_message(timeout=_WAKE_S)
            if message is None:
                continue
            now_ns = time.time_ns()
            entry = json.loads(message['data'])
            for name in came.keys() & entry['values'].keys():
                came[name].append((entry['time_ns'], now_ns))
                if now_ns - asked_ns[name] < _ASK_EVERY_NS:
                    continue
                asked_ns[name] = now_ns
                data = client.hget(f'twinsight:live:{robot_id}', name)
                if data is not None and json.loads(data)['time_ns'] >= entry['time_ns']:
                    in_hash[name].append((len(came[name]) - 1, time.time_ns()))
    print(json.dumps({'came': came, 'in_hash': in_hash}), flush=True)
    return 0


def _wait_for_line(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


if __name__ == '__main__':
    sys.exit(main())
