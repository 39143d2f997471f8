"""The demo's comparison: it must not call equal what differs."""

from rich.console import Console
from twinsight_demo import display
from twinsight_demo.comparison import compare
from twinsight_demo.sighting import digest_of, Sighting

SECOND = 1_000_000_000


def seen(topic: str, *messages: tuple[int, bytes]) -> list[Sighting]:
    return [Sighting(topic, ns, len(data), digest_of(data)) for ns, data in messages]


SENT = seen('/a', (1 * SECOND, b'one'), (2 * SECOND, b'two'), (3 * SECOND, b'three'))
BACK = seen('/replay/a', (11 * SECOND, b'one'), (12 * SECOND + 2, b'two'), (13 * SECOND, b'three'))


def verdict(stored: list[Sighting], replayed: list[Sighting]) -> tuple[bool, str]:
    console = Console(record=True, width=120)
    good = display.show(console, compare(SENT, stored, replayed, '/replay', 1.0), 1.0, 'published')
    return good, console.export_text()


def test_what_came_back_whole_is_called_so_with_its_timing_error() -> None:
    good, text = verdict(SENT, BACK)
    assert good and '3 messages, 0 lost: what came back is byte for byte what was sent.' in text
    [row] = compare(SENT, SENT, BACK, '/replay', 1.0)
    assert list(row.late_ns) == [0, 0, 2]


def test_a_message_that_is_missing_is_lost() -> None:
    good, text = verdict(SENT, BACK[:-1])
    assert not good and '1 messages lost; not what was sent: /a' in text
    good, text = verdict(SENT[1:], BACK)
    assert not good and '1 messages lost' in text


def test_a_changed_byte_and_a_changed_order_are_seen() -> None:
    changed = [BACK[0], *seen('/replay/a', (12 * SECOND, b'twO')), BACK[2]]
    assert not verdict(SENT, changed)[0]
    swapped = seen(
        '/replay/a', (11 * SECOND, b'two'), (12 * SECOND, b'one'), (13 * SECOND, b'three')
    )
    assert not verdict(SENT, swapped)[0]


def test_nothing_published_is_no_success() -> None:
    assert not display.show(Console(record=True), [], 1.0, 'published')


def test_twice_the_rate_halves_the_intervals_that_are_due() -> None:
    fast = seen(
        '/replay/a', (11 * SECOND, b'one'), (11 * SECOND + SECOND // 2, b'two'),
        (12 * SECOND, b'three'),
    )
    [row] = compare(SENT, SENT, fast, '/replay', 2.0)
    assert row.identical and list(row.late_ns) == [0, 0, 0]


def test_a_topic_whose_type_is_absent_is_compared_with_the_store_only() -> None:
    [row] = compare(SENT, SENT, [], '/replay', 1.0, frozenset({'/a'}))
    assert (row.replayed, row.lost, row.identical) == (None, 0, True)


def test_alignment_that_dds_adds_is_no_difference_but_content_is() -> None:
    assert digest_of(b'12345') == digest_of(b'12345\0\0\0')
    assert digest_of(b'12345') != digest_of(b'12345\0\0\1')
    assert digest_of(b'12345') != digest_of(b'12345\0\0\0\0\0\0\0')
