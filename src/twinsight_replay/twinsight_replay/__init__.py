"""Republishes stored robot data in time order and exports it as MCAP."""
