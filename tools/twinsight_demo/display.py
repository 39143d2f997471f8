"""The demo's tables and its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from twinsight_demo.comparison import Row
from twinsight_demo.metrics import MetricRow
from twinsight_store.history.missions import Mission


def show(console: Console, rows: Sequence[Row], rate: float, source: str) -> bool:
    """
    Print the table and what it comes to; return whether all is as it should be.

    source  where the messages came from: ``published`` or ``in the bag``
    """
    speed = '' if rate == 1 else f' at {rate:g} times the speed'
    table = Table(
        title=f'{source}, stored and replayed{speed}',
        caption='p50, p99: timing error of the replay; same: every byte, in the same order',
    )
    table.add_column('topic', overflow='fold')
    for title in (source, 'stored', 'replayed', 'lost', 'bytes', 'p50 ms', 'p99 ms'):
        table.add_column(title, justify='right', no_wrap=True)
    table.add_column('same', no_wrap=True)
    for row in rows:
        table.add_row(
            row.topic, str(row.published), str(row.stored),
            'no type' if row.replayed is None else str(row.replayed),
            str(row.lost), decimal(row.bytes),
            _milliseconds(row.late_quantile_ms(0.5)), _milliseconds(row.late_quantile_ms(0.99)),
            _yes_or_no(row.identical),
        )
    table.add_section()
    late = sorted(error for row in rows for error in row.late_ns)
    total = Row(
        'all', sum(row.published for row in rows), sum(row.stored for row in rows),
        sum(row.replayed or 0 for row in rows), sum(row.bytes for row in rows),
        all(row.identical for row in rows), late,
    )
    lost = sum(row.lost for row in rows)
    table.add_row(
        total.topic, str(total.published), str(total.stored), str(total.replayed), str(lost),
        decimal(total.bytes), _milliseconds(total.late_quantile_ms(0.5)),
        _milliseconds(total.late_quantile_ms(0.99)), 'yes' if total.identical else 'NO',
    )
    console.print(table)
    if total.identical and lost == 0 and rows:
        console.print(
            f'[bold green]{total.published} messages, {lost} lost: what came back is byte for '
            'byte what was sent.[/]',
            highlight=False,
        )
        if absent := sum(row.replayed is None for row in rows):
            console.print(
                f'{absent} topics came back from the store only: their types are not installed '
                'here, so they cannot be published.',
                highlight=False,
            )
        return True
    wrong = ', '.join(row.topic for row in rows if not row.identical) or 'no message at all'
    console.print(
        f'[bold red]{lost} messages lost; not what was sent: {wrong}[/]', highlight=False
    )
    return False


def show_metrics(console: Console, rows: Sequence[MetricRow]) -> bool:
    """Print a few of the metrics and what all come to; return whether no sample is missing."""
    table = Table(
        title='metrics of the same drive', caption='same: every sample, its time and its value'
    )
    table.add_column('metric')
    for title in ('messages', 'in Redis', 'in PostgreSQL', 'latest'):
        table.add_column(title, justify='right', no_wrap=True)
    table.add_column('same', no_wrap=True)
    for row in rows:
        if row.messages is not None:
            table.add_row(
                row.name, str(row.messages), str(row.redis), str(row.postgres), row.latest,
                _yes_or_no(row.is_whole),
            )
    table.add_section()
    wrong = [row.name for row in rows if not row.is_whole]
    samples = sum(row.redis for row in rows)
    table.add_row(
        f'all {len(rows)}', '', str(samples), str(sum(row.postgres for row in rows)), '',
        'NO' if wrong else 'yes',
    )
    console.print(table)
    if rows and not wrong:
        console.print(
            f'[bold green]{samples} samples of {len(rows)} metrics: the same in Redis and in '
            'PostgreSQL.[/]',
            highlight=False,
        )
        return True
    console.print(
        f'[bold red]samples are missing or differ: {", ".join(wrong) or "there are none"}[/]',
        highlight=False,
    )
    return False


def show_mission(console: Console, mission: Mission) -> None:
    """Print what is remembered of a mission, in one line."""
    way = '' if mission.distance_m is None else f' over {mission.distance_m:.1f} m'
    console.print(
        f'mission {mission.mission_id}: {timedelta(seconds=round(mission.duration_s))}{way}, '
        f'{mission.messages} messages ({decimal(mission.bytes)}) on {mission.topics} topics '
        f'recorded, {mission.events} events',
        highlight=False,
    )


def _yes_or_no(good: bool) -> str:
    return '[green]yes[/]' if good else '[red]NO[/]'


def _milliseconds(value: float | None) -> str:
    return '' if value is None else f'{value:.2f}'
