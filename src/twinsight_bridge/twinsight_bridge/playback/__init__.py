"""Replay in the viewer: sessions, each a process of its own that plays to one or more viewers."""
