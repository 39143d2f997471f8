"""The bridge towards viewers: one WebSocket each, with a queue that is bounded in bytes."""
