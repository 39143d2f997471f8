"""Viewers that tests drive: a Foxglove client without a window, and pages in a browser."""
