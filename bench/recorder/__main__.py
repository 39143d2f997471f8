"""
What the recorder stores, loses and costs, beside an MCAP file and the bare store.

Each load is published by a process of its own and taken by one system after the other: the
recorder (into a private ReductStore), a plain MCAP file with the same subscriptions (chunked,
not compressed: what a bag recorder would pay), and reduct-py alone without ROS (the limit). They
never run at once, for each load takes the whole machine. What is stored is read back and each
message compared with what was published. Nothing else should run meanwhile: what other programs
take is named beside a trial, and a trial of the sweep that they disturb is repeated.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
import json
from pathlib import Path
import signal
import sys
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from bench import machine
from bench.loads import Load, LOADS, of_size, SWEEP_SIZES, SWEEP_START_HZ
from bench.process import ROOT
from bench.reduct_server import reduct_server
from twinsight_store.errors import TwinsightError
from twinsight_tools.messages import ToolError

from . import report
from .search import Found, highest_lossless
from .trial import BAG, Bench, LIMIT, OURS, Outcome

_EXAMPLES = """\
examples:
  tools/env .venv/bin/python -m bench.recorder --quick
  tools/env .venv/bin/python -m bench.recorder --load small --load robot --repeat 5
  tools/env .venv/bin/python -m bench.recorder --json recorder.json --plot recorder.svg
"""
_MOST_TRIALS = 12
_DISTURBED_TRIALS = 3
_DISTURBING_CORES = 0.3
_WIDTH = 180


def main() -> int:
    """Measure, print tables and, on request, write JSON and a plot; or be one of the parts."""
    options = _options()
    if options.publish:
        from . import publisher
        return publisher.run(Load.from_json(options.publish))
    if options.bag:
        from . import bag_recorder
        return bag_recorder.run(Load.from_json(options.bag), Path(options.to))
    if options.limit:
        from . import limit
        return limit.run(Load.from_json(options.limit), options.url, options.to)
    # As Ctrl-C: every block ends its processes and removes its folder.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        _measure(options)
    except (ToolError, TwinsightError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m bench.recorder', description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [load.name for load in LOADS]
    parser.add_argument(
        '--load', action='append', choices=[*names, 'none'], metavar='NAME',
        help=f'one of {", ".join(names)}, or none; may be repeated (all)',
    )
    parser.add_argument(
        '--seconds', type=float, help='how long each load is published (5, robot 60)'
    )
    parser.add_argument('--repeat', type=int, default=3, help='repeats of each trial (3)')
    parser.add_argument(
        '--sweep', action='store_true',
        help='also find the highest lossless rate for messages from 100 B to 10 MB',
    )
    parser.add_argument(
        '--trial-seconds', type=float, default=3.0, help='a trial of the sweep (3)'
    )
    parser.add_argument(
        '--quick', action='store_true', help='everything once, with short and coarse trials'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='a file for all numbers')
    parser.add_argument(
        '--plot', type=Path, metavar='FILE', help='a file (.svg, .png) for the sweep’s plot'
    )
    for part in ('--publish', '--bag', '--limit', '--to', '--url'):
        parser.add_argument(part, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.factor = 1.15
    options.sweep = options.sweep or options.quick or options.plot is not None
    if options.quick:
        options.repeat, options.trial_seconds, options.factor = 1, 1.5, 1.5
    if options.repeat < 1 or options.trial_seconds <= 0 or (options.seconds or 1) <= 0:
        parser.error('--repeat, --seconds and --trial-seconds: accepted is more than 0')
    if options.plot is not None:
        _check_plot(parser, options.plot)
    return options


def _check_plot(parser: argparse.ArgumentParser, file: Path) -> None:
    """End with a clear line before minutes of measuring, not after them."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        parser.error('--plot: matplotlib is not installed; `make lint` or `make test` installs '
                     'requirements-dev.txt')
    if file.suffix not in ('.svg', '.png', '.pdf'):
        parser.error(f'--plot {file}: accepted are names that end in .svg, .png or .pdf')


def _measure(options: argparse.Namespace) -> None:
    progress = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    with _bench(progress) as (bench, about):
        title = machine.line(about)
        loads = _loads(options)
        outcomes = _run_loads(bench, loads, options.repeat, progress)
        if outcomes:
            repeats = f'medians of {options.repeat}' if options.repeat > 1 else 'one run'
            report.print_loads(console, f'{title} · {repeats}', loads, outcomes)
        sweep = _run_sweep(bench, options, progress) if options.sweep else {}
    if sweep:
        within = f'within a factor of {options.factor:g}, {options.trial_seconds:g} s a trial'
        report.print_sweep(console, f'highest lossless rate · {title} · {within}', sweep)
    if options.json is not None:
        options.json.write_text(json.dumps(_as_json(about, outcomes, sweep), indent=1) + '\n')
    if options.plot is not None:
        report.plot(options.plot, title, sweep)


@contextmanager
def _bench(progress: Console) -> Iterator[tuple[Bench, dict[str, Any]]]:
    with TemporaryDirectory(prefix='twinsight_bench_') as name:
        folder = Path(name)
        profile = ROOT / 'config' / 'fastdds.xml'
        with reduct_server(folder) as server:
            about = machine.describe(server.url)
            progress.print(machine.line(about))
            yield Bench(server, folder, profile), about


def _loads(options: argparse.Namespace) -> list[Load]:
    chosen = [load for load in LOADS if not options.load or load.name in options.load]
    if options.seconds:
        return [load.lasting(options.seconds) for load in chosen]
    if options.quick:
        return [load.lasting(min(load.seconds / 2, 10.0)) for load in chosen]
    return chosen


def _run_loads(
    bench: Bench, loads: Sequence[Load], repeats: int, progress: Console
) -> list[Outcome]:
    outcomes = []
    for load in loads:
        for repeat in range(1, repeats + 1):
            for system in (OURS, BAG, LIMIT):
                with progress.status(f'{load.title}: {system}, {repeat} of {repeats}'):
                    outcome = bench.run(load, system)
                outcomes.append(outcome)
                progress.print(f'{load.title}: {system}: {report.one_line(outcome)}')
    return outcomes


def _run_sweep(bench: Bench, options: argparse.Namespace, progress: Console) -> report.Sweep:
    sweep: report.Sweep = {OURS: {}, BAG: {}}
    for size, start_hz in zip(SWEEP_SIZES, SWEEP_START_HZ, strict=True):
        for system in sweep:
            sweep[system][size] = _search(bench, system, size, start_hz, options, progress)
    return sweep


def _search(
    bench: Bench, system: str, size: int, start_hz: float, options: argparse.Namespace,
    progress: Console,
) -> Found[Outcome]:
    def try_rate(rate_hz: float) -> Outcome:
        # One message at least, whatever the rate.
        seconds = max(options.trial_seconds, 1.0 / rate_hz)
        load = of_size(size, rate_hz, seconds)
        for _ in range(_DISTURBED_TRIALS):
            with progress.status(f'{load.title}: {system}'):
                outcome = bench.run(load, system)
            progress.print(f'{load.title}: {system}: {report.one_line(outcome)}')
            # What is lost while others take the machine says nothing of the rate.
            if outcome.lossless or outcome.other_cores < _DISTURBING_CORES:
                break
        return outcome

    return highest_lossless(try_rate, start_hz, options.factor, _MOST_TRIALS)


def _as_json(
    about: dict[str, Any], outcomes: Sequence[Outcome], sweep: report.Sweep
) -> dict[str, Any]:
    return {
        'machine': about,
        'trials': [{**asdict(each), 'cpu_us': each.cpu_us} for each in outcomes],
        'ratios': report.ratios(outcomes),
        'sweep': [
            {
                'system': system,
                'size_bytes': size,
                'highest_lossless_hz': found.best.publish_hz if found.best else None,
                'lossy_hz': found.lossy_hz,
                'limited_by': found.limit,
                'trials': found.trials,
                'cpu_us': found.best.cpu_us if found.best else None,
                'best': asdict(found.best) if found.best else None,
            }
            for system, of_size_ in sweep.items() for size, found in of_size_.items()
        ],
    }


if __name__ == '__main__':
    sys.exit(main())
