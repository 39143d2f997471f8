"""The machine that was measured, in a few facts."""

from __future__ import annotations

from importlib.metadata import version
import json
import os
from pathlib import Path
import platform
from typing import Any
import urllib.request


def describe(store_url: str) -> dict[str, Any]:
    """Return the facts that a reader of the numbers needs."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f'{store_url}/api/v1/info', timeout=5.0) as response:
        store = json.load(response)['version']
    return {
        'cores': len(os.sched_getaffinity(0)),
        'cpu': _field('/proc/cpuinfo', 'model name'),
        'memory_gb': round(int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 1e6),
        'system': platform.platform(aliased=True, terse=True),
        'python': platform.python_version(),
        'ros': os.environ.get('ROS_DISTRO', ''),
        'reductstore': store,
        'reduct_py': version('reduct-py'),
        'mcap': version('mcap'),
    }


def line(machine: dict[str, Any]) -> str:
    """Return the facts as one line."""
    return (
        f'{machine["cores"]} cores {machine["cpu"]}, {machine["memory_gb"]} GB, '
        f'Python {machine["python"]}, ROS 2 {machine["ros"]}, '
        f'ReductStore {machine["reductstore"]}'
    )


def _field(file: str, name: str) -> str:
    for text in Path(file).read_text().splitlines():
        key, _, value = text.partition(':')
        if key.strip() == name:
            return value.strip()
    return 'unknown 0'
