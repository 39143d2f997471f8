"""Files of ROS packages (meshes, models) that viewers ask for by ``package://`` names."""

from __future__ import annotations

from collections.abc import Sequence
import logging
from pathlib import Path
from urllib.parse import unquote

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError

from twinsight_bridge.live.allowed import Allowed

_SCHEME = 'package://'
_LIMIT_BYTES = 60_000_000

_log = logging.getLogger(__name__)


class Assets:
    """Reads what an allow-list names, from inside the packages' share folders only."""

    def __init__(self, allowed: Sequence[str]) -> None:
        """Make one; raises ConfigurationError where an expression is none."""
        self._allowed = Allowed('asset_uri_allowlist', allowed)

    def read(self, uri: str) -> bytes | None:
        """Return a file's bytes, or None where it is not there or not to be given out."""
        refusal, content = self._read(uri)
        if content is None:
            _log.warning(f'asset {uri!r} was not given out: {refusal}')
        return content

    def _read(self, uri: str) -> tuple[str, bytes | None]:
        if not uri.startswith(_SCHEME):
            return f'only {_SCHEME} is served', None
        if uri not in self._allowed:
            return 'asset_uri_allowlist does not name it', None
        package, _, inside = unquote(uri.removeprefix(_SCHEME)).partition('/')
        if '..' in Path(inside).parts or Path(inside).is_absolute():
            return 'it lies outside of its package', None
        try:
            path = Path(get_package_share_directory(package)) / inside
            if path.stat().st_size > _LIMIT_BYTES:
                return f'it is bigger than {_LIMIT_BYTES // 1_000_000} MB', None
            return '', path.read_bytes()
        except (PackageNotFoundError, ValueError):
            return f'package {package} is not installed here', None
        except OSError as error:
            return str(error.strerror or error), None

