"""
Viewers for tests: the Foxglove client of npm, and Foxglove Studio in a headless Chromium.

`tools/bare viewers` fetches once what npm has of them; node, npm and Chromium are the machine's.
"""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
import re
import shutil
from typing import NamedTuple

from . import cache, stamps
from .command import run_quietly
from .messages import say, ToolError
from .progress import elapsed
from .workspace import here

TITLE = 'Viewers'
CHROMIUM_VARIABLE = 'TWINSIGHT_CHROMIUM'
SCRIPTS = Path(__file__).resolve().parents[1] / 'viewers'
_PINS = [SCRIPTS / 'package.json', SCRIPTS / 'package-lock.json']
_CHROMIUMS = ('chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome')


class Viewers(NamedTuple):
    """
    What viewers run on.

    node      program that runs tools/viewers/*.js
    modules   the node_modules folder that they take their packages from
    chromium  browser for the pages; None where there is none
    """

    node: Path
    modules: Path
    chromium: Path | None


def find(env: Mapping[str, str] | None = None) -> Viewers | None:
    """Find the viewers that were fetched; None where `tools/bare viewers` has not run."""
    env = os.environ if env is None else env
    node, modules = shutil.which('node', path=env.get('PATH', '')), _modules(env)
    if node is None or not modules.is_dir():
        return None
    return Viewers(Path(node), modules, _chromium(env))


def fetch(env: Mapping[str, str], logs: Path) -> Viewers:
    """Fetch the packages, or find them there; raises ToolError where that cannot be."""
    if missed := _lacking(env):
        raise ToolError(f'viewers for tests need {" and ".join(missed)}')
    modules = _modules(env)
    folder, partial = modules.parent, modules.parent / 'partial'
    with cache.alone(folder, TITLE):
        if not modules.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            for pins in _PINS:
                shutil.copy(pins, partial)
            seconds = _install(partial, env, logs / 'viewers-install.log')
            (partial / modules.name).rename(modules)
            shutil.rmtree(partial)
            say(TITLE, f'fetched in {elapsed(seconds)}')
    found = find(env)
    assert found is not None
    return found


def _modules(env: Mapping[str, str]) -> Path:
    return cache.folder(f'viewers-{stamps.digest(_PINS)[:12]}', env) / 'node_modules'


def _chromium(env: Mapping[str, str]) -> Path | None:
    names = (env[CHROMIUM_VARIABLE],) if env.get(CHROMIUM_VARIABLE) else _CHROMIUMS
    found = (shutil.which(name, path=env.get('PATH', '')) for name in names)
    return next((Path(path) for path in found if path), None)


def _lacking(env: Mapping[str, str]) -> list[str]:
    wanted = {'node': 'nodejs (18 or newer, runs them)', 'npm': 'npm (fetches them)'}
    if _modules(env).is_dir():
        del wanted['npm']
    path = env.get('PATH', '')
    return [text for name, text in wanted.items() if shutil.which(name, path=path) is None]


def _install(folder: Path, env: Mapping[str, str], log: Path) -> float:
    # Scripts of packages would fetch browsers and compilers; none is needed here.
    argv = [
        'npm', 'ci', '--prefix', str(folder), '--ignore-scripts', '--no-audit', '--no-fund',
        '--engine-strict', '--loglevel', 'http',
    ]  # fmt: skip
    return run_quietly(
        argv,
        label=TITLE,
        task='packages from npm',
        log=log,
        describe=_package,
        env=env,
        cwd=folder,
    )


def _package(line: str) -> str | None:
    fetched = re.search(r'fetch GET 200 \S*/([^/\s]+)\.tgz', line)
    return fetched[1] if fetched else None


def main() -> int:
    found = fetch(os.environ, here().logs)
    browser = found.chromium or f'none: apt install chromium, or name one in {CHROMIUM_VARIABLE}'
    say(TITLE, f'packages in {found.modules.parent}, browser {browser}')
    return 0
