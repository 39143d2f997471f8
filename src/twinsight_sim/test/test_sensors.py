"""What the sensors say, against what is known to be there."""

import io
import math

import numpy as np
from PIL import Image
import pytest

from twinsight_sim import lidar
from twinsight_sim.body import CAMERA_HEIGHT
from twinsight_sim.camera import Camera
from twinsight_sim.drive import compose, Pose
from twinsight_sim.grids import costmap, floor_map
from twinsight_sim.lidar import Lidar
from twinsight_sim.raycast import measure, View
from twinsight_sim.world import obstacle, warehouse, World

ROOM = World((-4.0, -3.0, 6.0, 5.0))


def ranges(world: World, x: float, y: float, yaw: float = 0.0, noise: float = 0.0) -> np.ndarray:
    return Lidar(np.random.default_rng(0), noise).scan(x, y, yaw, world.faces)


def beam(degrees: float) -> int:
    return round((math.radians(degrees) - lidar.ANGLE_MIN) / lidar.ANGLE_STEP) % lidar.BEAMS


@pytest.mark.parametrize(('degrees', 'metres'), [(0, 6.0), (90, 5.0), (180, 4.0), (-90, 3.0),
                                                 (-45, 3.0 * math.sqrt(2.0))])
def test_lidar_measures_a_plain_room(degrees, metres):
    assert ranges(ROOM, 0.0, 0.0)[beam(degrees)] == pytest.approx(metres, abs=1e-5)


def test_lidar_turns_with_the_robot():
    assert ranges(ROOM, 1.0, 2.0, yaw=math.pi / 2)[beam(0)] == pytest.approx(3.0, abs=1e-5)


def test_lidar_noise_is_as_stated():
    error = ranges(ROOM, 0.0, 0.0, noise=0.01) - ranges(ROOM, 0.0, 0.0)
    assert 0.009 < error.std() < 0.011
    assert abs(error.mean()) < 0.0015


@pytest.mark.parametrize(('metres', 'seen'), [
    (lidar.RANGE_MAX - 0.01, None), (lidar.RANGE_MAX + 0.01, math.inf),
    (lidar.RANGE_MIN + 0.01, None), (lidar.RANGE_MIN - 0.01, -math.inf)])
def test_lidar_has_a_reach(metres, seen):
    hall = World((-1.0, -1.0, metres, 1.0))
    ahead = ranges(hall, 0.0, 0.0)[beam(0)]
    assert ahead == (pytest.approx(metres, abs=1e-5) if seen is None else seen)


def exact_distance(faces: np.ndarray, x: float, y: float, angle: float) -> float:
    """Solve ``p + t d = a + u (b - a)`` for every face, seen from either side."""
    nearest = math.inf
    for ax, ay, bx, by, *_ in faces.tolist():
        matrix = np.array([[math.cos(angle), ax - bx], [math.sin(angle), ay - by]])
        if abs(np.linalg.det(matrix)) > 1e-12:
            t, u = np.linalg.solve(matrix, [ax - x, ay - y])
            if t > 0.0 and 0.0 <= u <= 1.0:
                nearest = min(nearest, t)
    return nearest


def test_rays_end_at_the_first_face_on_their_way():
    world, draw = warehouse(), np.random.default_rng(3)
    faces = world.faces_with((obstacle(-3.0, -1.4, 0.7),))
    angles = np.linspace(-math.pi, math.pi, 61)
    rays = np.column_stack((np.cos(angles), np.sin(angles)))
    for x, y in [(-8.0, 0.0), (0.1, -1.4), *draw.uniform((-9, -2.4), (9, -0.6), (6, 2))]:
        exact = [exact_distance(faces, x, y, angle + 0.3) for angle in angles]
        assert measure(faces, x, y, 0.3, rays) == pytest.approx(exact, abs=1e-9)


def test_rays_out_of_the_hall_meet_nothing():
    ray = np.array([[1.0, 0.0]])
    assert measure(ROOM.faces, 7.0, 0.0, 0.0, ray).tolist() == [math.inf]


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r'not a whole \(4, 8\) float64'):
        measure(ROOM.faces.astype(np.float32), 0.0, 0.0, 0.0, np.ones((1, 2)))
    with pytest.raises(ValueError, match=r'not a whole \(3, 2\) float64'):
        measure(ROOM.faces, 0.0, 0.0, 0.0, np.ones((3, 4))[:, ::2])
    with pytest.raises(ValueError, match=r'multiple of 16'):
        View(rays=np.ones((72, 2)), slopes=np.linspace(1, -1, 64, dtype=np.float32),
             floor=np.zeros((32, 2), np.uint32), ceiling=np.zeros(32, np.uint32),
             texels=np.zeros((6, 4, 4), np.uint32), columns_per_metre=np.ones(6),
             heights=(0.6, 3.0, 1.0))


def decoded(message) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(message.data.tobytes()))).astype(int)


@pytest.mark.parametrize('size', [(320, 240), (64, 64), (640, 480)])
def test_pictures_have_the_size_that_was_asked(record, size):
    recording = record(0.1, image_size=size)
    for (_, message), (_, info) in zip(recording.of('image'), recording.of('camera_info'),
                                       strict=True):
        assert Image.open(io.BytesIO(message.data.tobytes())).size == size
        assert (info.width, info.height) == size
        assert info.header == message.header
        assert len(message.data) < 60_000


def test_an_obstacle_ahead_changes_the_picture():
    camera, world = Camera(320, 240), warehouse()

    def view(*boxes):
        picture = camera.picture(-5.0, -4.75, 0.0, world.faces_with(boxes), '')
        return picture.view(np.uint8).reshape(240, 320, 4)[..., :3].astype(int)

    free, again = view(), view()
    assert np.array_equal(free, again)
    assert np.array_equal(free, view(obstacle(-7.5, -4.75, 0.0))), 'what is behind is not seen'
    blocked = view(obstacle(-3.0, -4.75, 0.0))
    middle = np.s_[110:150, 140:180]
    assert np.abs(blocked - free)[middle].mean() > 40
    red = (blocked[..., 0] - blocked[..., 1])[middle] > 80
    assert 0.2 < red.mean() < 0.8, 'stripes of red and white'


def test_an_obstacle_is_as_wide_and_as_high_as_its_distance_makes_it():
    camera, world = Camera(320, 240), World((-50.0, -50.0, 50.0, 50.0))
    free = camera.picture(0.0, 0.0, 0.0, world.faces, '').copy()
    seen = camera.picture(0.0, 0.0, 0.0, world.faces_with((obstacle(4.4, 0.0, 0.0),)), '')
    columns = np.flatnonzero((free != seen).any(axis=0))
    rows = np.flatnonzero((free != seen).any(axis=1))
    assert columns.size == pytest.approx(0.8 * camera.focal / 4.0, abs=1.5)
    assert columns.mean() == pytest.approx(159.5, abs=1.0)
    assert rows[0] == pytest.approx(119.5 - (1.0 - CAMERA_HEIGHT) * camera.focal / 4.0, abs=1.0)
    assert rows[-1] == pytest.approx(119.5 + CAMERA_HEIGHT * camera.focal / 4.0, abs=1.0)


def test_an_obstacle_behind_a_rack_is_not_seen():
    camera, world = Camera(320, 240), warehouse()
    free = camera.picture(-5.0, -4.75, math.pi / 2, world.faces, '').copy()
    behind = world.faces_with((obstacle(-5.0, -1.5, 0.0),))
    assert np.array_equal(camera.picture(-5.0, -4.75, math.pi / 2, behind, ''), free)


def test_nothing_of_the_last_picture_is_left_in_the_next():
    camera, world, draw = Camera(320, 240), warehouse(), np.random.default_rng(1)
    for x, y, yaw in draw.uniform((-9.0, -5.2, -3.0), (-7.2, 5.2, 3.0), (200, 3)):
        faces = world.faces_with((obstacle(x + 2.0, y, yaw),))
        first = camera.picture(x, y, yaw, faces, '')
        before = first.copy()
        first ^= 0x00FFFFFF
        assert np.array_equal(camera.picture(x, y, yaw, faces, ''), before)


def test_gyroscope_and_wheels_agree(record):
    recording = record(20, rates={'camera': 0})
    wheels = {at: m.twist.twist.angular.z for at, m in recording.of('odom')}
    gyro = {at: m.angular_velocity.z for at, m in recording.of('imu')}
    pairs = np.array([(gyro[at], rate) for at, rate in wheels.items()])
    assert np.abs(pairs[:, 1]).max() > 0.3, 'the robot turned'
    assert np.abs(pairs[:, 0] - pairs[:, 1]).max() < 0.03
    assert np.abs(pairs[:, 0] - pairs[:, 1]).max() > 0.0


def test_the_gyroscope_integrates_to_the_yaw_of_odometry(record):
    recording = record(20, rates={'camera': 0})
    turned = sum(m.angular_velocity.z for _, m in recording.of('imu')) / 200.0
    _, last = recording.of('odom')[-1]
    yaw = 2.0 * math.atan2(last.pose.pose.orientation.z, last.pose.pose.orientation.w)
    assert abs(math.remainder(turned - yaw, 2.0 * math.pi)) < 0.05


def test_the_accelerometer_feels_gravity(record):
    down = [m.linear_acceleration.z for _, m in record(5, rates={'camera': 0}).of('imu')]
    assert np.mean(down) == pytest.approx(9.80665, abs=0.01)
    assert 0.045 < np.std(down) < 0.055


def test_transforms_put_together_stay_clear_of_everything(record):
    world = warehouse()
    for _, message in record(60, rates={'camera': 0, 'imu': 0, 'tf': 5}).of('tf'):
        poses = [Pose(t.transform.translation.x, t.transform.translation.y,
                      2.0 * math.atan2(t.transform.rotation.z, t.transform.rotation.w))
                 for t in message.transforms]
        base = compose(*poses)
        gap = min(float(box.distance(np.array(base.x), np.array(base.y))) for box in world.boxes)
        assert gap > 0.4
        assert -9.0 < base.x < 9.0
        assert -5.2 < base.y < 5.2


def test_the_map_shows_walls_racks_and_floor():
    grid = floor_map(warehouse())

    def cell(x, y):
        return grid.cells[int((y - grid.y) / 0.1), int((x - grid.x) / 0.1)]

    assert grid.cells.shape == (130, 210)
    assert cell(0.0, 0.0) == 0
    assert cell(3.75, 3.0) == 100
    assert cell(-10.05, 0.0) == 100
    assert cell(-10.3, 0.0) == -1


def test_the_costmap_falls_off_with_distance_from_an_obstacle():
    robot = Pose(-5.0, -4.75, 0.0)
    grid = costmap(warehouse(), (obstacle(-3.0, -4.75, 0.0),), Pose(0.0, 0.0, 0.0), robot)
    row = grid.cells[30, 30:].tolist()
    free, inflated, inscribed, lethal = row[:6], row[7:12], row[12:15], row[16]
    assert lethal == 100
    assert inscribed == [99, 99, 99]
    assert inflated == sorted(inflated)
    assert all(0 < cost < 99 for cost in inflated)
    assert set(free) == {0}
