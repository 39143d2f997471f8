"""A ReductStore of one's own to measure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twinsight_tools import reductstore
from twinsight_tools.messages import ToolError
from twinsight_tools.private import PrivateServer


@contextmanager
def reduct_server(folder: Path) -> Iterator[PrivateServer]:
    """Run a ReductStore; raises ToolError where none is installed."""
    program = reductstore.find()
    if program is None:
        raise ToolError('ReductStore is not installed: run `make setup`, or put it on PATH')
    with reductstore.running(program, folder / 'reductstore') as server:
        yield server
