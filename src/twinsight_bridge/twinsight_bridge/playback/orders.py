"""The orders that the one who started a session gives, and that it is still there."""

from __future__ import annotations

from collections.abc import Callable
import threading
from typing import Any

from twinsight_bridge.playback.order import Order
from twinsight_bridge.playback.parent_lines import ParentLines

Obey = Callable[[Order], dict[str, Any]]


class Orders:
    """Waits for orders in a thread of its own; on_gone is called there when no more can come."""

    def __init__(self, lines: ParentLines, on_gone: Callable[[], object]) -> None:
        self._lines = lines
        self._on_gone = on_gone
        self._obey: Obey | None = None
        self._thread = threading.Thread(target=self._wait, name='twinsight-orders', daemon=True)

    def watch(self) -> None:
        """Begin to wait."""
        self._thread.start()

    def answer_with(self, obey: Obey) -> None:
        """Have orders answered; called before it is said that they may be given."""
        self._obey = obey

    def _wait(self) -> None:
        try:
            for line in self._lines:
                assert self._obey is not None
                state = self._obey(Order(line['play'], line['seek_ns'], line['rate']))
                self._lines.tell({'answer': {'id': line['id'], 'state': state}})
        except OSError:
            pass  # the other side is gone
        finally:
            self._on_gone()
