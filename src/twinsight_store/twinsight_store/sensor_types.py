"""The sensor_type label of a topic whose configuration does not name one."""

_BY_TYPE = {
    'sensor_msgs/msg/Image': 'camera',
    'sensor_msgs/msg/CompressedImage': 'camera',
    'sensor_msgs/msg/CameraInfo': 'camera',
    'sensor_msgs/msg/LaserScan': 'lidar',
    'sensor_msgs/msg/MultiEchoLaserScan': 'lidar',
    'sensor_msgs/msg/PointCloud2': 'lidar',
    'sensor_msgs/msg/PointCloud': 'lidar',
    'sensor_msgs/msg/Imu': 'imu',
    'sensor_msgs/msg/MagneticField': 'imu',
    'sensor_msgs/msg/NavSatFix': 'gnss',
    'sensor_msgs/msg/BatteryState': 'battery',
    'sensor_msgs/msg/JointState': 'joints',
    'sensor_msgs/msg/Range': 'range',
    'nav_msgs/msg/Odometry': 'odometry',
    'nav_msgs/msg/OccupancyGrid': 'costmap',
    'map_msgs/msg/OccupancyGridUpdate': 'costmap',
    'tf2_msgs/msg/TFMessage': 'tf',
    'diagnostic_msgs/msg/DiagnosticArray': 'diagnostics',
    'rcl_interfaces/msg/Log': 'log',
}

OTHER = 'other'


def sensor_type_of(type_name: str) -> str:
    """Return the sensor type of a message type, ``other`` where none fits."""
    return _BY_TYPE.get(type_name, OTHER)
