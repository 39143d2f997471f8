"""The state file of the servers that `make servers` started."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
import json

from . import atomic, identity
from .workspace import Workspace


@dataclass(frozen=True)
class Entry:
    """
    One server: where it answers, and which process it is.

    `process_start` is the start time from /proc/PID/stat, in clock ticks since boot: together with
    `pid` it names one process, so that another one with a reused pid is never taken for ours.
    """

    variable: str
    url: str
    pid: int
    process_start: int
    port: int
    log: str
    found: str
    container: str = ''


def read(workspace: Workspace) -> dict[str, Entry]:
    """Read the entries by server name; what cannot be read counts as absent."""
    try:
        stored = json.loads((workspace.state / 'servers.json').read_text())
    except (OSError, ValueError):
        return {}
    names = {field.name for field in fields(Entry)}
    needed = names - {'container'}
    if not isinstance(stored, dict):
        return {}
    return {
        server: Entry(**entry)
        for server, entry in stored.items()
        if isinstance(entry, dict) and needed <= entry.keys() <= names
    }


def write(workspace: Workspace, entries: dict[str, Entry]) -> None:
    text = json.dumps({name: asdict(entry) for name, entry in entries.items()}, indent=2)
    atomic.write(workspace.state / 'servers.json', text + '\n')


def urls(workspace: Workspace) -> dict[str, str]:
    """Map the variable to the URL of each server that still runs."""
    return {
        entry.variable: entry.url
        for entry in read(workspace).values()
        if identity.same(entry.pid, entry.process_start)
    }
