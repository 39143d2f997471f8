"""Waiting for a program of the demo, with a bar where somebody looks."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import Progress

from twinsight_demo.child import Child


def show_progress(console: Console, what: str, seconds: float | None, child: Child) -> None:
    """Say what is done, and return when the child has ended; it takes about so many seconds."""
    start = time.monotonic()
    console.print(what, highlight=False)
    if not console.is_terminal:
        while child.running:
            time.sleep(0.1)
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(what, total=seconds)
        while child.running:
            progress.update(task, completed=time.monotonic() - start)
            time.sleep(0.1)
