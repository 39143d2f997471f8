"""Serves live and replayed robot data to Foxglove and over HTTP."""
