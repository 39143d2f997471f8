"""The results as one picture."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
import statistics
from typing import Any

from bench import machine
from bench.loads import size_text

from . import cost, latency, rates, stalled

_SUFFIXES = ('.svg', '.png', '.pdf')
_BAR = 0.8
_COLORS = {
    latency.BRIDGE: 'tab:blue', latency.SUBSCRIBER: 'tab:green', latency.SDK: 'tab:orange',
    latency.SDK_USUAL: 'tab:red',
}


def check(parser: argparse.ArgumentParser, file: Path) -> None:
    """End with a clear line before minutes of measuring, not after them."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        parser.error('--plot: matplotlib is not installed; `make lint` or `make test` installs '
                     'requirements-dev.txt')
    if file.suffix not in _SUFFIXES:
        parser.error(f'--plot {file}: accepted are names that end in {", ".join(_SUFFIXES)}')


def draw(file: Path, numbers: Mapping[str, Any]) -> None:
    """Draw the parts of which there are numbers."""
    from matplotlib.figure import Figure

    panels = [(_PANELS[part], numbers[part]) for part in _PANELS if part in numbers]
    if not panels:
        return
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5.5 * columns, 4.3 * rows), layout='constrained')
    for axes, (panel, of_part) in zip(
        figure.subplots(rows, columns, squeeze=False).flat, panels, strict=False
    ):
        panel(axes, of_part)
        axes.grid(True, axis='y', alpha=0.3)
    for axes in figure.axes[len(panels):]:
        axes.remove()
    figure.suptitle(machine.line(), fontsize='small')
    figure.savefig(file)


def _latency(axes: Any, numbers: Mapping[str, Any]) -> None:
    loads = list(numbers['rounds'])
    for place, way in enumerate(latency.WAYS):
        p50, p99 = (
            [statistics.median(each[way][part] for each in numbers['rounds'][load])
             for load in loads]
            for part in ('p50', 'p99')
        )
        at = _places(len(loads), place, len(latency.WAYS))
        width = _BAR / len(latency.WAYS)
        axes.bar(at, p50, width, color=_COLORS[way], label=way)
        axes.scatter(at, p99, marker='_', s=120, color=_COLORS[way])
    axes.set_yscale('log')
    axes.set_xticks(range(len(loads)), loads)
    axes.set_title('ms from publishing to arrival: p50 (bar), p99 (line)', fontsize='medium')
    axes.set_ylim(top=8 * axes.get_ylim()[1])  # for the legend
    _plain(axes)
    axes.legend(fontsize='small', loc='upper left', ncols=2)


def _rates(axes: Any, numbers: Mapping[str, Any]) -> None:
    sizes = [int(size) for size in numbers['sizes']]
    for way, marker in zip(rates.WAYS, 'os', strict=True):
        points = [
            (int(size), ways[way]['highest_lossless_hz'])
            for size, ways in numbers['sizes'].items() if ways[way]['highest_lossless_hz']
        ]
        axes.plot(*zip(*points, strict=True), marker=marker, color=_COLORS[way], label=way)
    axes.set_xscale('log')
    axes.set_yscale('log')
    axes.set_xticks(sizes, [size_text(size) for size in sizes])
    axes.set_xlabel('size of a message')
    axes.set_title('highest rate without loss, messages/s', fontsize='medium')
    axes.legend(fontsize='small')


def _cost(axes: Any, numbers: Mapping[str, Any]) -> None:
    counts = numbers['viewers']
    ways = (cost.BRIDGE, cost.SUBSCRIBER, cost.SDK)
    for place, way in enumerate(ways):
        shares = [
            100 * statistics.median(each[way][number]['took'] for each in numbers['rounds'])
            for number in range(len(counts))
        ]
        bars = axes.bar(
            _places(len(counts), place, len(ways)), shares, _BAR / len(ways), color=_COLORS[way],
            label=way if way != cost.SDK else f'{way}, making the messages included',
        )
        axes.bar_label(bars, fmt='%.1f', fontsize='x-small')
    names = [f'{count}{" again" if at and not count else ""}' for at, count in enumerate(counts)]
    axes.set_xticks(range(len(counts)), names)
    axes.set_xlabel('viewers')
    axes.set_title('% of a core, standard robot', fontsize='medium')
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])  # for the legend
    axes.legend(fontsize='small', loc='upper left')


def _stalled(axes: Any, numbers: Mapping[str, Any]) -> None:
    for way in stalled.WAYS:
        memory: Sequence[Sequence[float]] = numbers['ways'][way]['memory']
        axes.plot(
            [at_s for at_s, _, _ in memory], [own / 1e6 for _, _, own in memory],
            color=_COLORS[way], label=way,
        )
    axes.axhline(
        numbers['bound'] / 1e6, color=_COLORS[stalled.BRIDGE], linestyle='--',
        label='bound of the bridge',
    )
    axes.axvline(
        numbers['ways'][stalled.BRIDGE]['stalled_at_s'], color='gray', linestyle=':',
        label='one viewer stalls',
    )
    axes.set_yscale('log')
    _plain(axes)
    axes.set_xlabel('s')
    axes.set_title('own memory, MB, three viewers of 30 MB/s', fontsize='medium')
    axes.legend(fontsize='small')


def _plain(axes: Any) -> None:
    """Write the numbers of a logarithmic axis as people do."""
    from matplotlib.ticker import LogLocator

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter('{x:g}')
    axes.yaxis.set_minor_formatter('')


def _places(groups: int, place: int, places: int) -> list[float]:
    """Return where the bars of one of several ways stand."""
    return [group + _BAR * ((place + 0.5) / places - 0.5) for group in range(groups)]


_PANELS: dict[str, Callable[[Any, Mapping[str, Any]], None]] = {
    'latency': _latency, 'rates': _rates, 'cost': _cost, 'stalled': _stalled,
}
