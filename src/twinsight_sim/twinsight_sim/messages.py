"""
ROS messages of what the simulation knows; each is one object, filled anew every time.

A message is good until the same method is called again: serialise it before. The frequent ones
come as bytes at once.
"""

from __future__ import annotations

from array import array
import math

from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import OccupancyGrid, Odometry
import numpy as np
from sensor_msgs.msg import BatteryState, CameraInfo, CompressedImage, Imu, LaserScan
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage

from twinsight_sim import battery as cells
from twinsight_sim import grids, lidar
from twinsight_sim.battery import Battery
from twinsight_sim.body import MOUNTS, quaternion
from twinsight_sim.camera import Camera
from twinsight_sim.cdr import Template
from twinsight_sim.drive import compose, inverse, Motion, Pose
from twinsight_sim.grids import Grid
from twinsight_sim.schedule import SECOND_NS

GRAVITY = 9.80665
GYRO_NOISE, ACCELERATION_NOISE, YAW_NOISE = 0.004, 0.05, 0.002
"""Standard deviations of the IMU: rad/s, m/s², rad."""

IMU_NOISE = (GYRO_NOISE,) * 3 + (ACCELERATION_NOISE,) * 3 + (YAW_NOISE,)
"""The order in which ``Messages.imu`` wants its noise."""


def _diagonal(*values: float) -> tuple[float, ...]:
    """Return a covariance matrix, row by row."""
    return tuple(np.diag(np.array(values)).reshape(-1).tolist())


POSE_COVARIANCE = _diagonal(0.01, 0.01, 1e-6, 1e-6, 1e-6, 0.005)
TWIST_COVARIANCE = _diagonal(1e-4, 1e-6, 1e-6, 1e-6, 1e-6, 1e-4)
YAW_COVARIANCE = _diagonal(1e-6, 1e-6, YAW_NOISE ** 2)
GYRO_COVARIANCE = _diagonal(*[GYRO_NOISE ** 2] * 3)
ACCELERATION_COVARIANCE = _diagonal(*[ACCELERATION_NOISE ** 2] * 3)


class Messages:
    """
    Makes messages; stamps are ``start_ns`` (Unix, ns) plus simulation time (ns).

    ``frame_prefix`` goes in front of every frame but ``map``.
    """

    def __init__(self, frame_prefix: str, camera: Camera | None) -> None:
        self.start_ns = 0
        self._prefix = frame_prefix
        self._map = OccupancyGrid()
        self._map.header.frame_id = 'map'
        self._costmap = OccupancyGrid()
        self._costmap.header.frame_id = self._frame('odom')
        self._tf = Template(TFMessage(transforms=[
            self._transform('map', self._frame('odom')),
            self._transform(self._frame('odom'), self._frame('base_link'))]))
        odom = Odometry(child_frame_id=self._frame('base_link'))
        odom.header.frame_id = self._frame('odom')
        self._odom = Template(odom)
        imu = Imu()
        imu.header.frame_id = self._frame('imu')
        self._imu = Template(imu)
        self._scan = LaserScan(
            angle_min=lidar.ANGLE_MIN, angle_increment=lidar.ANGLE_STEP,
            angle_max=lidar.ANGLE_MIN + lidar.ANGLE_STEP * (lidar.BEAMS - 1),
            range_min=lidar.RANGE_MIN, range_max=lidar.RANGE_MAX)
        self._scan.header.frame_id = self._frame('laser')
        image = CompressedImage(format='rgb8; jpeg compressed bgr8')
        image.header.frame_id = self._frame('camera_optical')
        self._image = Template(image)
        info = CameraInfo() if camera is None else _camera_info(camera)
        info.header.frame_id = image.header.frame_id
        self._camera_info = Template(info)
        self._battery = BatteryState(
            present=True, design_capacity=cells.CAPACITY, capacity=cells.CAPACITY,
            temperature=math.nan, location='base', serial_number='SIM-24V-20AH',
            power_supply_health=BatteryState.POWER_SUPPLY_HEALTH_GOOD,
            power_supply_technology=BatteryState.POWER_SUPPLY_TECHNOLOGY_LION)
        self._battery.header.frame_id = self._frame('base_link')

    def map(self, sim_ns: int, grid: Grid) -> OccupancyGrid:
        """Return the map, in ``map``."""
        return self._grid(self._map, sim_ns, grid)

    def costmap(self, sim_ns: int, grid: Grid) -> OccupancyGrid:
        """Return the local costmap, in ``odom``."""
        return self._grid(self._costmap, sim_ns, grid)

    def tf(self, sim_ns: int, motion: Motion) -> bytes:
        """Return ``map`` → ``odom`` → ``base_link``: put together, they are the true pose."""
        numbers: list[float] = []
        for x, y, yaw in (odom_in_map(motion), motion.odometry):
            numbers += (x, y, 0.0, 0.0, 0.0, math.sin(yaw / 2.0), math.cos(yaw / 2.0))
        return self._tf.fill(self.start_ns + sim_ns, numbers)

    def tf_static(self, sim_ns: int) -> TFMessage:
        """Return where the sensors sit."""
        transforms = []
        for mount in MOUNTS:
            fixed = self._transform(self._frame(mount.parent), self._frame(mount.child))
            self._stamp(fixed.header, sim_ns)
            shift, turn = fixed.transform.translation, fixed.transform.rotation
            shift.x, shift.y, shift.z = mount.xyz
            turn.x, turn.y, turn.z, turn.w = quaternion(*mount.rpy)
            transforms.append(fixed)
        return TFMessage(transforms=transforms)

    def odom(self, sim_ns: int, motion: Motion, slip: tuple[float, float]) -> bytes:
        """Return the Odometry that the wheels make; they slip by ``slip`` (speed, yaw rate)."""
        x, y, yaw = motion.odometry
        return self._odom.fill(self.start_ns + sim_ns, (
            x, y, 0.0, 0.0, 0.0, math.sin(yaw / 2.0), math.cos(yaw / 2.0), *POSE_COVARIANCE,
            motion.speed * slip[0], 0.0, 0.0, 0.0, 0.0, motion.yaw_rate * slip[1],
            *TWIST_COVARIANCE))

    def imu(self, sim_ns: int, motion: Motion, noise: list[float]) -> bytes:
        """Return the Imu: yaw, rates, accelerations with gravity; noise as in ``IMU_NOISE``."""
        yaw = motion.pose.yaw + noise[6]
        return self._imu.fill(self.start_ns + sim_ns, (
            0.0, 0.0, math.sin(yaw / 2.0), math.cos(yaw / 2.0), *YAW_COVARIANCE,
            noise[0], noise[1], motion.yaw_rate + noise[2], *GYRO_COVARIANCE,
            motion.acceleration + noise[3], motion.speed * motion.yaw_rate + noise[4],
            GRAVITY + noise[5], *ACCELERATION_COVARIANCE))

    def scan(self, sim_ns: int, ranges: np.ndarray, period: float) -> LaserScan:
        """Return one turn of the LIDAR; ``ranges`` (720,) float32 m, ``period`` s a turn."""
        message = self._scan
        self._stamp(message.header, sim_ns)
        message.scan_time = period
        message.ranges = array('f', ranges.tobytes())
        return message

    def image(self, sim_ns: int, jpeg: bytes) -> bytes:
        """Return the CompressedImage of a picture."""
        return self._image.fill(self.start_ns + sim_ns, end=jpeg)

    def camera_info(self, sim_ns: int) -> bytes:
        """Return the CameraInfo with the stamp of a picture."""
        return self._camera_info.fill(self.start_ns + sim_ns)

    def battery(self, sim_ns: int, battery: Battery) -> BatteryState:
        """Return the battery's state: charge in Ah, percentage from 0 to 1, as the type asks."""
        message = self._battery
        self._stamp(message.header, sim_ns)
        message.voltage = battery.voltage
        message.current = battery.current
        message.percentage = battery.charge
        message.charge = battery.charge * cells.CAPACITY
        message.power_supply_status = (BatteryState.POWER_SUPPLY_STATUS_CHARGING
                                       if battery.charging
                                       else BatteryState.POWER_SUPPLY_STATUS_DISCHARGING)
        return message

    def text(self, text: str) -> String:
        """Return a string."""
        return String(data=text)

    def header(self, sim_ns: int) -> Header:
        """Return a header without a frame."""
        header = Header()
        self._stamp(header, sim_ns)
        return header

    def _frame(self, name: str) -> str:
        return self._prefix + name

    def _transform(self, parent: str, child: str) -> TransformStamped:
        return TransformStamped(header=Header(frame_id=parent), child_frame_id=child)

    def _stamp(self, header: Header, sim_ns: int) -> None:
        header.stamp.sec, header.stamp.nanosec = divmod(self.start_ns + sim_ns, SECOND_NS)

    def _grid(self, message: OccupancyGrid, sim_ns: int, grid: Grid) -> OccupancyGrid:
        self._stamp(message.header, sim_ns)
        info = message.info
        info.map_load_time = message.header.stamp
        info.resolution = grids.RESOLUTION
        info.height, info.width = grid.cells.shape
        info.origin.position.x, info.origin.position.y = grid.x, grid.y
        message.data = array('b', grid.cells.tobytes())
        return message


def odom_in_map(motion: Motion) -> Pose:
    """Return where ``odom`` lies in ``map``: the truth less what the wheels made of it."""
    return compose(motion.pose, inverse(motion.odometry))


def _camera_info(camera: Camera) -> CameraInfo:
    """Return the calibration of a pinhole camera without distortion."""
    f, cx, cy = camera.focal, camera.width / 2.0, camera.height / 2.0
    return CameraInfo(
        width=camera.width, height=camera.height, distortion_model='plumb_bob', d=[0.0] * 5,
        k=[f, 0.0, cx, 0.0, f, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[f, 0.0, cx, 0.0, 0.0, f, cy, 0.0, 0.0, 0.0, 1.0, 0.0])
