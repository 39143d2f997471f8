"""The results for people: tables and a plot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
import statistics
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.loads import Load, size_text

from .search import Found
from .trial import BAG, LIMIT, OURS, Outcome

Sweep = dict[str, dict[int, Found[Outcome]]]
"""System → message size in bytes → what the search found."""

_NONE = '–'
_NOTABLE_CORES = 0.1
_COLUMNS: tuple[tuple[str, str], ...] = (
    ('messages/s', 'publish_hz'), ('published', 'published'), ('received', 'received'),
    ('stored', 'stored'), ('CPU s', 'cpu_s'), ('with start-up', 'whole_cpu_s'),
    ('µs a message', 'cpu_us'), ('store CPU s', 'store_cpu_s'),
    ('peak RSS MB', 'peak_bytes'), ('end RSS MB', 'end_bytes'),
)
_SCALE = {'peak_bytes': 1e-6, 'end_bytes': 1e-6, 'slope_bytes_s': 60e-6}


def median(outcomes: Iterable[Outcome], name: str) -> float | None:
    """Return the median of one number over repeats, in the unit of the tables."""
    values = [getattr(outcome, name) for outcome in outcomes]
    known = [value for value in values if value is not None]
    return statistics.median(known) * _SCALE.get(name, 1) if known else None


def ratios(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """
    Return, for each load, medians of the ratios of ours to the others in the same repeat.

    cpu_to_mcap    CPU time a stored message, recorder to MCAP file
    with_store     the same with ReductStore's CPU time added to the recorder's
    rate_to_limit  messages stored a second, recorder to reduct-py alone
    cpu_to_limit   CPU time a stored message, recorder to reduct-py alone
    """
    found: dict[str, dict[str, float]] = {}
    for load in dict.fromkeys(outcome.load for outcome in outcomes):
        mine, bag, limit = (
            [each for each in outcomes if (each.load, each.system) == (load, system)]
            for system in (OURS, BAG, LIMIT)
        )
        pairs: dict[str, list[float | None]] = {
            'cpu_to_mcap': [_ratio(a.cpu_us, b.cpu_us) for a, b in zip(mine, bag, strict=True)],
            'with_store': [
                _ratio((a.cpu_s + (a.store_cpu_s or 0)) / a.stored * 1e6, b.cpu_us)
                for a, b in zip(mine, bag, strict=True) if a.stored
            ],
            'rate_to_limit': [
                _ratio(a.stored / a.seconds, c.publish_hz)
                for a, c in zip(mine, limit, strict=True)
            ],
            'cpu_to_limit': [
                _ratio(a.cpu_us, c.cpu_us) for a, c in zip(mine, limit, strict=True)
            ],
        }
        known = {name: [v for v in values if v is not None] for name, values in pairs.items()}
        found[load] = {name: statistics.median(values) for name, values in known.items() if values}
    return found


def print_loads(
    console: Console, title: str, loads: Sequence[Load], outcomes: Sequence[Outcome]
) -> None:
    """Print one row for each load and system, and the ratios."""
    table = Table(title=title)
    table.add_column('load', overflow='fold')
    table.add_column('system')
    for heading, _ in _COLUMNS:
        table.add_column(heading, justify='right')
    table.add_column('lost', justify='right')
    table.add_column('found after ms, p50/p99', justify='right')
    for load in loads:
        name_of_load = f'{load.title}, {load.seconds:g} s'
        for system in (OURS, BAG, LIMIT):
            same = [each for each in outcomes if (each.load, each.system) == (load.name, system)]
            if same:
                table.add_row(
                    name_of_load if system == OURS else '', system,
                    *(_number(median(same, name)) for _, name in _COLUMNS),
                    _NONE if system == LIMIT else _lost(same), _latency(same),
                )
        table.add_section()
    console.print(table)
    names = ('cpu_to_mcap', 'with_store', 'cpu_to_limit', 'rate_to_limit')
    beside = Table(title='the recorder, as multiples of the others in the same repeat (medians)')
    beside.add_column('load')
    for heading in (
        'CPU a message, to MCAP file', 'with ReductStore’s CPU', 'CPU, to reduct-py alone',
        'share of reduct-py’s messages/s',
    ):
        beside.add_column(heading, justify='right')
    beside.add_column('own memory, MB a minute', justify='right')
    found = ratios(outcomes)
    for load in loads:
        mine = [each for each in outcomes if (each.load, each.system) == (load.name, OURS)]
        numbers = found.get(load.name, {})
        beside.add_row(
            load.title, *(_fraction(numbers.get(name)) for name in names),
            _fraction(median(mine, 'slope_bytes_s')),
        )
    console.print(beside)


def print_sweep(console: Console, title: str, sweep: Sweep) -> None:
    """Print the highest lossless rates."""
    table = Table(title=title)
    table.add_column('message', justify='right')
    for system in sweep:
        for heading in (f'{system}: messages/s', 'MB/s', 'limited by', 'µs a message'):
            table.add_column(heading, justify='right')
    for size in next(iter(sweep.values()), {}):
        cells: list[str] = []
        for found in (of_system[size] for of_system in sweep.values()):
            best = found.best
            cells += [
                _number(best.publish_hz if best else None),
                _number(best.publish_hz * size * 1e-6 if best else None),
                found.limit,
                _number(best.cpu_us if best else None),
            ]
        table.add_row(size_text(size), *cells)
    console.print(table)


def plot(file: Path, title: str, sweep: Sweep) -> None:
    """Draw highest lossless rate and CPU time a message over the size of a message."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout='constrained')
    rates, costs = figure.subplots(1, 2)
    sides: tuple[tuple[Any, str, Callable[[Outcome], float | None]], ...] = (
        (rates, 'highest lossless rate, messages/s', lambda best: best.publish_hz),
        (costs, 'its CPU time at that rate, µs a message', lambda best: best.cpu_us),
    )
    for axes, label, value in sides:
        for system, marker in zip(sweep, 'os', strict=False):
            points = [
                (size, value(found.best), found.limit)
                for size, found in sweep[system].items() if found.best is not None
            ]
            [line] = axes.plot(
                [size for size, _, _ in points], [number for _, number, _ in points],
                marker=marker, label=system,
            )
            held = [(size, number) for size, number, limit in points if limit == 'publisher']
            if axes is rates and held:
                axes.scatter(
                    *zip(*held, strict=True), s=120, facecolors='none',
                    edgecolors=line.get_color(), label=f'{system}: the publisher is no faster',
                )
        sizes = list(next(iter(sweep.values())))
        axes.set_xscale('log')
        axes.set_yscale('log')
        axes.set_xticks(sizes, [size_text(size) for size in sizes])
        axes.set_xlabel('size of a message')
        axes.set_title(label, fontsize='medium')
        axes.grid(True, which='major', alpha=0.3)
        axes.legend()
    figure.suptitle(title, fontsize='small')
    figure.savefig(file)


def one_line(outcome: Outcome) -> str:
    """Return what a trial showed, for the progress."""
    if outcome.system == LIMIT:
        return f'{outcome.publish_hz:,.0f} messages/s, CPU {outcome.cpu_s:.2f} s'
    text = f'published {outcome.published:,} at {outcome.publish_hz:,.0f}/s'
    if not outcome.full_rate:
        text += f' (asked {outcome.asked:,}: the publisher is no faster)'
    text += f', stored {outcome.stored:,}, lost {outcome.lost:,}, CPU {outcome.cpu_s:.2f} s'
    for name, count in (('again', outcome.duplicates), ('damaged', outcome.damaged)):
        if count:
            text += f', {count:,} {name}'
    own = {name: outcome.own_count.get(name, 0) for name in ('lost', 'dropped', 'refused')}
    if any(own.values()):
        text += f' (it says: {", ".join(f"{name} {count:,}" for name, count in own.items())})'
    if outcome.other_cores > _NOTABLE_CORES:
        text += f'; other programs kept {outcome.other_cores:.1f} cores busy'
    return text


def _ratio(ours: float | None, other: float | None) -> float | None:
    return ours / other if ours is not None and other else None


def _number(value: float | None) -> str:
    if value is None:
        return _NONE
    return f'{value:,.0f}' if value >= 100 or value == int(value) else f'{value:.2f}'


def _fraction(value: float | None) -> str:
    return _NONE if value is None else f'{value:.2f}'


def _lost(outcomes: Sequence[Outcome]) -> str:
    """Return the lost messages, the most of any repeat, and whether others are wrong."""
    text = f'{max(outcome.lost for outcome in outcomes):,}'
    again = max(outcome.duplicates for outcome in outcomes)
    damaged = max(outcome.damaged for outcome in outcomes)
    text += f', {again:,} again' if again else ''
    return text + (f', {damaged:,} damaged' if damaged else '')


def _latency(outcomes: Sequence[Outcome]) -> str:
    lines = []
    for topic in outcomes[0].latency_ms:
        known = [each.latency_ms[topic] for each in outcomes if each.latency_ms.get(topic)]
        if known:
            p50, p99 = (statistics.median(each[name] for each in known) for name in ('p50', 'p99'))
            lines.append(f'{topic.rsplit("/", 1)[-1]} {p50:.0f}/{p99:.0f}')
    return '\n'.join(lines) or _NONE
