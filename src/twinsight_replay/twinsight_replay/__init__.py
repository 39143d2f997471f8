"""
Republishes stored robot data in time order, exports it as MCAP, and gives it to Python code.

``with twinsight_replay.open(robots='robot_05') as episode: for message in episode: ...`` needs
no ROS 2.
"""

from twinsight_replay.episode import Episode, open_episode
from twinsight_store.selection import Selection

open = open_episode  # noqa: A001

__all__ = ['Episode', 'open', 'Selection']
