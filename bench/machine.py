"""The machine that was measured, in a few facts."""

from __future__ import annotations

from importlib.metadata import version
import json
import os
from pathlib import Path
import platform
from typing import Any
import urllib.request


def describe(store_url: str | None = None) -> dict[str, Any]:
    """Return the facts that a reader of the numbers needs; ``reductstore`` where one is named."""
    facts: dict[str, Any] = {
        'cores': len(os.sched_getaffinity(0)),
        'cpu': _field('/proc/cpuinfo', 'model name'),
        'memory_gb': round(int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 1e6),
        'system': platform.platform(aliased=True, terse=True),
        'python': platform.python_version(),
        'ros': os.environ.get('ROS_DISTRO', ''),
        'reduct_py': version('reduct-py'),
        'mcap': version('mcap'),
    }
    if store_url is not None:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f'{store_url}/api/v1/info', timeout=5.0) as response:
            facts['reductstore'] = json.load(response)['version']
    return facts


def line(facts: dict[str, Any] | None = None) -> str:
    """Return the facts as one line, by default those of describe()."""
    facts = describe() if facts is None else facts
    store = f', ReductStore {facts["reductstore"]}' if 'reductstore' in facts else ''
    return (
        f'{facts["cores"]} cores {facts["cpu"]}, {facts["memory_gb"]} GB, '
        f'Python {facts["python"]}, ROS 2 {facts["ros"]}{store}'
    )


def _field(file: str, name: str) -> str:
    for text in Path(file).read_text().splitlines():
        key, _, value = text.partition(':')
        if key.strip() == name:
            return value.strip()
    return 'unknown 0'
