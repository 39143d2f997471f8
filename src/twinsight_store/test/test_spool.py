"""The spool on real files: what comes back, after damage, with a full disk, from two processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
import os
from pathlib import Path
import random
import resource
import signal
import subprocess
import sys
import textwrap
import tracemalloc

import pytest

from twinsight_store.errors import SpoolError
from twinsight_store.spool import Position, Spool

LIMIT = 1_000_000


def texts(spool: Spool, position: Position | None = None) -> list[bytes]:
    return [
        bytes(found.payload) for found in spool.read(spool.start if position is None else position)
    ]


def put(spool: Spool, *payloads: bytes) -> Position:
    """Append payloads as the recorder does; return where the first one lies."""
    spool.next_segment()
    begin = spool.end
    spool.append([(payload[:3], payload[3:]) for payload in payloads])
    return begin


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob('*.spool'))


def run(code: str, *arguments: str | Path, shell: str = '') -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own; ``shell`` is what precedes it in its shell."""
    script = textwrap.dedent(code)
    command = [sys.executable, '-c', script, *map(str, arguments)]
    if shell:
        command = ['unshare', '-m', 'sh', '-c', f'{shell} && exec "$@"', 'sh', *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def can_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(
        ['unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], capture_output=True
    ).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason='mounting a small disk needs root')


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / 'spool', LIMIT)
    yield opened
    opened.close()


def test_what_is_appended_is_read_in_order_from_any_position(spool: Spool) -> None:
    first = put(spool, b'one', b'second', b'the third')
    later = put(spool, b'fourth')
    assert texts(spool, first) == [b'one', b'second', b'the third', b'fourth']
    assert texts(spool, later) == [b'fourth']
    [one, *_] = spool.read(first)
    assert texts(spool, one.after) == [b'second', b'the third', b'fourth']
    assert texts(spool, spool.end) == []


def test_a_new_spool_is_empty(spool: Spool) -> None:
    assert texts(spool) == []
    assert spool.start == spool.end
    assert spool.size_bytes == 0


def test_what_was_left_is_read_by_the_next_and_new_frames_follow_it(tmp_path: Path) -> None:
    for number in range(4):
        spool = Spool(tmp_path, LIMIT)
        put(spool, b'run %d' % number)
        spool.close()
    assert texts(Spool(tmp_path, LIMIT)) == [b'run 0', b'run 1', b'run 2', b'run 3']


def test_what_was_appended_before_sigkill_is_there(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, '-c', textwrap.dedent("""
            from pathlib import Path
            import sys
            from twinsight_store.spool import Spool

            spool = Spool(Path(sys.argv[1]), 50_000_000)
            number = 0
            while True:
                spool.next_segment()
                spool.append([(b'%08d' % number, bytes(number % 70_000))])
                print(number, flush=True)
                number += 1
        """), str(tmp_path)],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    for _ in range(500):
        told = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    told += len(child.stdout.read().splitlines())
    child.wait()
    found = texts(Spool(tmp_path, LIMIT))
    assert len(found) >= told + 1
    assert [int(payload[:8]) for payload in found] == list(range(len(found)))
    assert all(len(payload) == 8 + number % 70_000 for number, payload in enumerate(found))


def test_released_segments_are_gone_and_the_rest_stays(spool: Spool) -> None:
    begins = [put(spool, bytes([number]) * 40_000) for number in range(8)]
    before = spool.size_bytes
    spool.release(begins[5])
    assert spool.size_bytes < before
    assert texts(spool)[-3:] == [bytes([number]) * 40_000 for number in (5, 6, 7)]
    assert spool.start <= begins[5]
    assert sum(path.stat().st_size for path in files(spool.folder)) == spool.size_bytes
    spool.clear()
    assert files(spool.folder) == []
    assert spool.size_bytes == 0
    put(spool, b'after')
    assert texts(spool) == [b'after']


def test_an_open_segment_that_is_released_whole_is_removed_once_it_is_half_full(
    spool: Spool
) -> None:
    put(spool, b'small')
    spool.release(spool.end)
    assert len(files(spool.folder)) == 1
    put(spool, bytes(LIMIT // 20))
    spool.release(spool.end)
    assert files(spool.folder) == []
    put(spool, b'next')
    assert texts(spool) == [b'next']


def test_release_of_what_is_released_already_does_nothing(spool: Spool) -> None:
    begins = [put(spool, bytes([number]) * 70_000) for number in range(4)]
    spool.release(begins[2])
    kept = texts(spool)
    spool.release(begins[0])
    spool.release(Position(0, 0))
    assert texts(spool) == kept


def test_the_oldest_segment_goes_first_and_the_open_one_never(spool: Spool) -> None:
    for number in range(3):
        put(spool, bytes([number]) * 70_000)
    dropped = [spool.drop_oldest(), spool.drop_oldest(), spool.drop_oldest()]
    assert dropped == [1, 2, None]
    assert texts(spool) == [bytes([2]) * 70_000]


def test_room_is_what_is_left_of_the_limit_on_the_disk(spool: Spool) -> None:
    size = 50_000
    while spool.room_for(size + 8):
        put(spool, bytes(size))
    on_disk = sum(path.stat().st_size for path in files(spool.folder))
    assert LIMIT - 2 * size < on_disk == spool.size_bytes <= LIMIT
    spool.drop_oldest()
    assert spool.room_for(size)
    assert not spool.room_for(LIMIT)


def test_a_limit_below_what_lies_there_leaves_no_room_and_loses_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10 * LIMIT)
    for number in range(30):
        put(spool, bytes([number + 1]) * 100_000)
    spool.close()
    smaller = Spool(tmp_path, LIMIT)
    assert not smaller.room_for(1)
    assert len(texts(smaller)) == 30


@pytest.mark.parametrize('size', [1, 50, 70_000])
def test_a_frame_that_is_cut_off_at_any_byte_is_left_out_and_the_earlier_ones_stay(
    tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path, LIMIT)
    put(spool, b'first', b'second')
    put(spool, bytes(range(1, 256)) * (size // 255) + b'x' * (size % 255))
    spool.close()
    [path] = files(tmp_path)
    whole = path.read_bytes()
    last = 8 + size
    for cut in range(1, last + 1, 1 if size < 1000 else 997):
        path.write_bytes(whole[:-cut])
        caplog.clear()
        left = Spool(tmp_path, LIMIT)
        assert texts(left) == [b'first', b'second'], cut
        assert bool(caplog.text) == (cut < last)
        left.close()


def test_a_frame_after_one_that_was_cut_off_is_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    put(spool, b'whole', b'cut off')
    spool.close()
    [path] = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    spool = Spool(tmp_path, LIMIT)
    put(spool, b'later')
    assert texts(spool) == [b'whole', b'later']


def test_a_bit_that_flips_anywhere_ends_its_segment_only_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path, LIMIT)
    frames = [b'first one', b'the second', b'third']
    put(spool, *frames)
    spool.roll()
    put(spool, b'next segment')
    spool.close()
    path = files(tmp_path)[0]
    whole = path.read_bytes()
    for byte in range(len(whole)):
        damaged = bytearray(whole)
        damaged[byte] ^= 1 << byte % 8
        path.write_bytes(damaged)
        caplog.clear()
        left = Spool(tmp_path, LIMIT)
        found = texts(left)
        left.close()
        assert found[-1] == b'next segment'
        assert found[:-1] == frames[:len(found) - 1]
        assert len(found) < 4
        assert 'spool: segment 1 is damaged at byte' in caplog.text
        assert 'bytes of it are lost' in caplog.text


def test_both_ends_of_a_big_frame_are_checked(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    put(spool, bytes(200_000), b'after')
    spool.close()
    [path] = files(tmp_path)
    whole = path.read_bytes()
    for byte in (30, 4_000, len(whole) - 20, len(whole) - 4_000):
        damaged = bytearray(whole)
        damaged[byte] ^= 1
        path.write_bytes(damaged)
        left = Spool(tmp_path, LIMIT)
        assert texts(left) == []
        left.close()


def test_zeros_that_a_power_loss_left_are_no_frames(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    put(spool, b'on the disk')
    spool.close()
    [path] = files(tmp_path)
    with path.open('ab') as file:
        file.write(bytes(10_000))
    left = Spool(tmp_path, LIMIT)
    assert texts(left) == [b'on the disk']


def test_foreign_and_empty_files_are_left_alone(tmp_path: Path) -> None:
    foreign = {
        'notes.spool': b'mine', '7.spool': b'short', 'README': b'text',
        '000000000\u0663.spool': b'a digit of another script',
    }
    for name, data in foreign.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / '0000000009.spool').mkdir()
    (tmp_path / '0000000003.spool').touch()
    (tmp_path / '0000000004.spool').write_bytes(b'not what we wrote, but of our name')
    spool = Spool(tmp_path, LIMIT)
    put(spool, b'ours')
    assert texts(spool) == [b'ours']
    assert spool.size_bytes < 100
    spool.clear()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == {
        **foreign, 'lock': b'',
    }


def test_a_segment_that_somebody_removed_is_an_error_and_the_next_one_can_be_read(
    spool: Spool
) -> None:
    begins = [put(spool, bytes([number]) * 70_000) for number in range(3)]
    files(spool.folder)[1].unlink()
    with pytest.raises(SpoolError, match='No such file'):
        texts(spool)
    assert texts(spool, begins[2]) == [bytes([2]) * 70_000]


def test_a_frame_of_two_big_parts_is_read_as_one(spool: Spool) -> None:
    spool.append([(b'h' * 5_000, b'b' * 100_000), (b'', b'c' * 90_000), (b'd' * 80_000, b'')])
    assert texts(spool) == [b'h' * 5_000 + b'b' * 100_000, b'c' * 90_000, b'd' * 80_000]


def test_big_bodies_are_not_copied(spool: Spool) -> None:
    body = bytes(50_000_000)
    tracemalloc.start()
    try:
        spool.append([(b'head', body), (b'head', body)])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 1_000_000


def test_reading_takes_little_more_memory_than_a_frame(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 400_000_000)
    for _ in range(60):
        put(spool, bytes(1_000_000))
    tracemalloc.start()
    try:
        assert sum(len(found.payload) for found in spool.read(spool.start)) == 60_000_000
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    spool.clear()
    assert most < 20_000_000


def test_a_folder_that_another_process_uses_is_one_line_that_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    put(spool, b'mine')
    other = run("""
        from pathlib import Path
        import sys
        from twinsight_store.errors import SpoolError
        from twinsight_store.spool import Spool

        try:
            Spool(Path(sys.argv[1]), 1_000_000)
        except SpoolError as error:
            print(error)
    """, tmp_path)
    assert other.stdout == (
        f'spool {tmp_path}: another process uses it; give each recorder a folder of its own\n'
    )
    assert texts(spool) == [b'mine']
    spool.close()
    assert texts(Spool(tmp_path, LIMIT)) == [b'mine']


def test_a_file_in_the_place_of_the_folder_is_one_line_that_says_so(tmp_path: Path) -> None:
    place = tmp_path / 'spool'
    place.write_text('a file')
    with pytest.raises(SpoolError, match=f'^spool {place}: not a folder$'):
        Spool(place, LIMIT)
    with pytest.raises(SpoolError, match=f'^spool {place}/below: Not a directory$'):
        Spool(place / 'below', LIMIT)


_OPENS = """
    from pathlib import Path
    import sys
    from twinsight_store.errors import SpoolError
    from twinsight_store.spool import Spool

    try:
        spool = Spool(Path(sys.argv[1]), 1_000_000)
        spool.append([(b'', b'frame')])
    except SpoolError as error:
        print(error)
"""


@needs_mount
def test_a_folder_on_a_disk_that_is_read_only_is_one_line_that_says_so(tmp_path: Path) -> None:
    disk = tmp_path / 'disk'
    disk.mkdir()
    for place in (disk, disk / 'spool'):
        opened = run(_OPENS, place, shell=f'mount -t tmpfs -o ro none {disk}')
        assert (opened.stdout, opened.stderr) == (f'spool {place}: Read-only file system\n', '')


def test_a_folder_that_may_not_be_written_to_is_one_line_that_says_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        imports, rest = textwrap.dedent(_OPENS).split('\n\n')
        opened = run(f'{imports}\nimport os\nos.setuid(65534)\n{rest}', '/etc/spool')
        place = Path('/etc/spool')
    else:
        place = tmp_path / 'closed'
        place.mkdir(mode=0o500)
        opened = run(_OPENS, place)
    assert (opened.stdout, opened.stderr) == (f'spool {place}: Permission denied\n', '')


_FILLS = """
    from pathlib import Path
    import sys
    from twinsight_store.errors import SpoolError
    from twinsight_store.spool import Spool

    spool = Spool(Path(sys.argv[1]), 100_000_000)
    kept, failures = [], set()
    for number in range(1, 41):
        payload = bytes([number]) * (40_000 if number % 4 else 400_000)
        try:
            spool.next_segment()
            spool.append([(b'', payload), (b'', payload)])
            kept += [payload, payload]
        except SpoolError as error:
            failures.add(str(error))
    assert [bytes(found.payload) for found in spool.read(spool.start)] == kept
    on_disk = sum(path.stat().st_size for path in spool.folder.glob('*.spool'))
    assert on_disk == spool.size_bytes, (on_disk, spool.size_bytes)
    assert 0 < len(kept) < 80
    print(*failures)
    spool.clear()
    spool.append([(b'', b'there is room again')])
    assert [bytes(found.payload) for found in spool.read(spool.start)] == [b'there is room again']
"""


@needs_mount
def test_a_disk_that_is_full_loses_nothing_of_what_was_taken(tmp_path: Path) -> None:
    filled = run(_FILLS, tmp_path, shell=f'mount -t tmpfs -o size=1000k none {tmp_path}')
    assert filled.stderr == ''
    assert filled.stdout == f'spool {tmp_path}: No space left on device\n'


def test_a_file_that_may_not_grow_loses_nothing_of_what_was_taken(tmp_path: Path) -> None:
    limit = f'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, {(500_000,) * 2})\n'
    filled = run(limit + textwrap.dedent(_FILLS), tmp_path)
    assert filled.stderr == ''
    assert filled.stdout == f'spool {tmp_path}: File too large\n'


def test_new_frames_go_elsewhere_where_a_failed_append_cannot_be_taken_back(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(spool, b'before')
    most = spool.size_bytes + 20
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fails(*_: object) -> None:
        raise OSError(5, 'Input/output error')

    resource.setrlimit(resource.RLIMIT_FSIZE, (most, unlimited[1]))
    try:
        with monkeypatch.context() as patch, pytest.raises(SpoolError, match='File too large'):
            patch.setattr(os, 'ftruncate', fails)
            put(spool, b'a frame that is cut off in its middle')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    put(spool, b'after')
    assert texts(spool) == [b'before', b'after']


@pytest.mark.parametrize('seed', range(25))
def test_read_gives_what_was_appended_and_not_released_whatever_the_sizes(
    tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    limit = chance.choice([1, 100, 5_000, LIMIT, 5 * LIMIT])
    spool = Spool(tmp_path, limit)
    expected: deque[tuple[Position, bytes]] = deque()
    for _ in range(120):
        step = chance.random()
        if step < 0.7:
            payloads = [
                chance.randbytes(chance.choice([1, 7, 300, 4_095, 4_096, 4_097, 65_536, 70_000]))
                for _ in range(chance.randrange(4))
            ]
            spool.next_segment()
            for payload in payloads:
                begin = spool.end
                cut = chance.randrange(min(len(payload), 40) + 1)
                spool.append([(payload[:cut], payload[cut:])])
                expected.append((begin, payload))
        elif step < 0.8:
            spool.roll(sync=chance.random() < 0.1)
        elif step < 0.88 and expected:
            spool.release(chance.choice(expected)[0])
        elif step < 0.9:
            spool.release(spool.end)
        elif step < 0.93:
            number = spool.drop_oldest()
            assert number is None or number < spool.start.segment
        elif step < 0.96:
            spool.close()
            spool = Spool(tmp_path, limit)
        elif expected:
            # A position stays good while frames are added behind it.
            wanted = chance.randrange(len(expected))
            if expected[wanted][0] >= spool.start:
                rest = [payload for _, payload in list(expected)[wanted:]]
                assert texts(spool, expected[wanted][0]) == rest
        while expected and expected[0][0].segment < spool.start.segment:
            expected.popleft()
        assert texts(spool) == [payload for _, payload in expected]
        assert spool.size_bytes == sum(path.stat().st_size for path in files(tmp_path))
    assert not caplog.records  # no damage is told where there is none
