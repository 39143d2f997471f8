"""Commands to robots: what may be asked, how it reaches ROS, and what becomes of it."""
