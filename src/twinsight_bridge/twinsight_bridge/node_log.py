"""Log lines of plain modules through a node's logger, so that they reach /rosout."""

from __future__ import annotations

import logging

from rclpy.node import Node


class NodeLog(logging.Handler):
    """Hands records to a node's logger, with their severity."""

    def __init__(self, node: Node) -> None:
        """Make one for a node."""
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record; each severity has a call of its own, as rclpy asks for."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
