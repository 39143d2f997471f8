"""The demo's table and its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from twinsight_demo.comparison import Row


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
            '[green]yes[/]' if row.identical else '[red]NO[/]',
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


def _milliseconds(value: float | None) -> str:
    return '' if value is None else f'{value:.2f}'
