"""Where things lie in a checkout."""

from __future__ import annotations

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Workspace:
    """The folders of one checkout; `root` is absolute."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / '.venv'

    @property
    def python(self) -> Path:
        return self.venv / 'bin' / 'python'

    @property
    def install(self) -> Path:
        return self.root / 'install'

    @property
    def state(self) -> Path:
        """Servers' data, logs and the underlay: all that set-up keeps besides .venv and builds."""
        return self.root / '.twinsight'

    @property
    def underlay(self) -> Path:
        return self.state / 'underlay'

    @property
    def logs(self) -> Path:
        return self.state / 'log'

    @property
    def record(self) -> Path:
        """What set-up chose for .venv (JSON); gone with .venv, so the two cannot disagree."""
        return self.venv / 'twinsight.json'

    def choices(self) -> dict[str, Any]:
        """Read what set-up chose for .venv; empty before set-up got that far."""
        try:
            choices = json.loads(self.record.read_text())
        except (OSError, ValueError):
            return {}
        return choices if isinstance(choices, dict) else {}

    def site_packages(self) -> list[Path]:
        return sorted(self.venv.glob('lib/python3.*/site-packages'))


def here() -> Workspace:
    """Return the checkout that holds this file."""
    return Workspace(Path(__file__).resolve().parents[2])
