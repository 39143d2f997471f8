"""
The highest rate at which a viewer gets every message, for messages from 100 B to 1 MB.

A process publishes, the bridge passes on, one viewer counts; what is counted has to be what was
published. In turn, for each size, foxglove-sdk alone carries messages from the process that makes
them to the same viewer, without ROS: the limit. Rates are doubled or halved, then the gap is
halved. A trial that loses messages while other programs take the machine is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
import sys
from tempfile import TemporaryDirectory

from rich.table import Table

from bench import machine, report
from bench.loads import Load, of_size, size_text
from bench.recorder.search import Found, highest_lossless
from bench.report import Measured

from .stage import arrived, lost_by, READY_S, report_of, sent_by, stage

BRIDGE, SDK = WAYS = ('bridge', 'foxglove-sdk alone')

_SIZES = {
    100: (4_000.0, 16_000.0), 1_000: (4_000.0, 16_000.0), 64_000: (500.0, 2_000.0),
    1_000_000: (50.0, 200.0),
}
"""Size → where the search begins for each of the ways (Hz)."""

_MOST_TRIALS = 10
_DISTURBED_TRIALS = 3
_DISTURBING_CORES = 0.3
_FULL_RATE = 0.97


@dataclass
class Outcome:
    """
    What became of one load.

    full_rate     whether the publisher reached the rate that was asked for
    left_out      messages that the bridge says it left out for this viewer; the others that did
                  not arrive were lost before, in DDS or in foxglove-sdk
    server, viewer, source, other  cores that each kept busy; the source is the server of
                  foxglove-sdk alone
    """

    publish_hz: float
    full_rate: bool
    published: int
    arrived: int
    again: int
    left_out: int
    server: float
    source: float
    viewer: float
    other: float

    @property
    def lossless(self) -> bool:
        """Return whether the viewer got what was published, once."""
        return self.arrived == self.published and not self.again


Sweep = dict[int, dict[str, Found[Outcome]]]
"""Size in bytes → way → what the search found."""


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a process fails."""
    seconds, factor = (1.5, 1.5) if quick else (3.0, 1.15)
    sweep: Sweep = {}
    for size, starts_hz in _SIZES.items():
        sweep[size] = {
            way: _search(way, size, start_hz, seconds, factor)
            for way, start_hz in zip(WAYS, starts_hz, strict=True)
        }
    title = (
        f'highest rate without loss, within a factor of {factor:g}, {seconds:g} s a trial · '
        f'{machine.line()}'
    )
    numbers = {
        'machine': machine.describe(), 'seconds': seconds, 'factor': factor,
        'sizes': {
            size: {way: _as_json(found) for way, found in ways.items()}
            for size, ways in sweep.items()
        },
    }
    return Measured([_table(title, sweep)], numbers)


def _search(
    way: str, size: int, start_hz: float, seconds: float, factor: float
) -> Found[Outcome]:
    progress = report.console(error=True)

    def try_rate(rate_hz: float) -> Outcome:
        load = of_size(size, rate_hz, max(seconds, 1.0 / rate_hz))
        for _ in range(_DISTURBED_TRIALS):
            with progress.status(f'rates: {load.title}, {way}'):
                outcome = _run(way, load)
            progress.print(f'{load.title}: {way}: {_line(outcome)}')
            if outcome.lossless or outcome.other < _DISTURBING_CORES:
                break
        return outcome

    return highest_lossless(try_rate, start_hz, factor, _MOST_TRIALS)


def _run(way: str, load: Load) -> Outcome:
    with TemporaryDirectory(prefix='twinsight_bench_') as name, stage(Path(name)) as on:
        source = on.through_ros(load, 1) if way == BRIDGE else on.without_ros(load, 1)
        [viewer] = on.viewers(load, 1)
        source.line(READY_S, beside=on.server)  # it says "matched"
        ours = (on.server, source, viewer.process)
        others, before = on.others(), [each.cpu_s() for each in ours]
        source.go()
        sent = sent_by(source, load.seconds)
        # Until here, so that what it took to catch up counts, over the time of sending.
        took = [now.cpu_s() - then for now, then in zip(ours, before, strict=True)]
        other = others.cores()
        left_out = sum(map(lost_by, on.said_of_viewers())) if way == BRIDGE else 0
        noted = report_of(viewer.process)
    server, of_source, of_viewer = (each / sent.took_s for each in took)
    return Outcome(
        sent.hz, sent.messages >= _FULL_RATE * load.asked, sent.messages, arrived(noted),
        arrived(noted, 'again'), left_out, server, of_source, of_viewer, other,
    )


def _line(outcome: Outcome) -> str:
    return (
        f'{outcome.arrived:,} of {outcome.published:,} at {outcome.publish_hz:,.0f}/s'
        f'{"" if outcome.full_rate else " (the publisher is no faster)"}'
        f'{f", {outcome.left_out:,} left out by the bridge" if outcome.left_out else ""}; cores: '
        f'server {outcome.server:.2f}, source {outcome.source:.2f}, viewer {outcome.viewer:.2f}, '
        f'others {outcome.other:.2f}'
    )


def _as_json(found: Found[Outcome]) -> dict[str, object]:
    return {
        'highest_lossless_hz': found.best.publish_hz if found.best else None,
        'lossy_hz': found.lossy_hz, 'limited_by': _limit(found), 'trials': found.trials,
        'best': asdict(found.best) if found.best else None,
    }


def _limit(found: Found[Outcome]) -> str:
    return found.limit if found.limit == 'publisher' else 'loss'


def _table(title: str, sweep: Sweep) -> Table:
    table = Table(title=title)
    table.add_column('message', justify='right')
    for way in WAYS:
        for heading in (f'{way}: messages/s', 'MB/s', 'limited by', 'cores: server', 'viewer'):
            table.add_column(heading, justify='right')
    table.add_column('bridge / foxglove-sdk alone', justify='right')
    for size, ways in sweep.items():
        cells: list[str] = []
        for way in WAYS:
            found, best = ways[way], ways[way].best
            cells += [
                report.number(best.publish_hz if best else None),
                report.number(best.publish_hz * size / 1e6 if best else None), _limit(found),
                report.number(best.server if best else None),
                report.number(best.viewer if best else None),
            ]
        table.add_row(size_text(size), *cells, report.number(_ratio(ways)))
    return table


def _ratio(ways: Mapping[str, Found[Outcome]]) -> float | None:
    ours, limit = ways[BRIDGE].best, ways[SDK].best
    return ours.publish_hz / limit.publish_hz if ours and limit else None


def main() -> int:
    """Measure rates; return the exit code."""
    return report.run_part('bridge.rates', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
