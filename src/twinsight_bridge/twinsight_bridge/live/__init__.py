"""The bridge towards ROS: topics, services, parameters and the graph of running nodes."""
