"""Which files the bags consist of that a command line names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import os
from pathlib import Path
import re
from typing import Any, NamedTuple

import yaml

from twinsight_store.errors import ConfigurationError

SUFFIXES = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')

_METADATA = 'metadata.yaml'
_DIGITS = re.compile(r'(\d+)')


class BagFile(NamedTuple):
    """
    One file to import.

    message_zstd  every message in it is compressed by itself, as its metadata.yaml says
    """

    path: Path
    message_zstd: bool = False


def find_bags(paths: Sequence[Path]) -> list[BagFile]:
    """
    Return the files to import, each once, in the order of the paths.

    A rosbag2 folder gives the files that its metadata.yaml lists, in that order, also those
    that are missing; any other folder, and one whose files were renamed, gives every bag below
    it, by name. A file that is named itself is taken whatever its
    name. Raises ConfigurationError where a path does not exist or a folder holds no bag.
    """
    found: dict[Path, BagFile] = {}
    for path in paths:
        if path.is_dir():
            files = list(_in_folder(path))
            if not files:
                raise ConfigurationError(
                    f'{path}: no bag in this folder: accepted are {", ".join(SUFFIXES)}'
                )
        elif path.exists():
            files = [BagFile(path, _compresses_messages(_information(path.parent)))]
        else:
            raise ConfigurationError(f'{path}: no such file or folder')
        for file in files:
            found.setdefault(file.path.resolve(), file)
    return list(found.values())


def _in_folder(top: Path) -> Iterator[BagFile]:
    for name, folders, files in os.walk(top):
        folder = Path(name)
        information = _information(folder)
        listed = information.get('relative_file_paths') or []
        members = [_listed(folder, str(entry)) for entry in listed]
        if any(path.exists() for path in members):
            folders.clear()
        else:
            folders.sort(key=_natural)
            members = [
                folder / file for file in sorted(files, key=_natural) if file.endswith(SUFFIXES)
            ]
        for path in members:
            yield BagFile(path, _compresses_messages(information))


def _listed(folder: Path, entry: str) -> Path:
    """Return the path of a listed file; before version 4 the entries began with the folder."""
    path = folder / entry
    return path if path.exists() else folder / Path(entry).name


def _information(folder: Path) -> dict[str, Any]:
    """Return what a folder's metadata.yaml says; nothing where it is absent or broken."""
    try:
        document = yaml.safe_load((folder / _METADATA).read_text())
        information = document['rosbag2_bagfile_information']
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return {}  # a recording that crashed has none, its files are imported all the same
    return information if isinstance(information, dict) else {}


def _compresses_messages(information: dict[str, Any]) -> bool:
    return str(information.get('compression_mode', '')).lower() == 'message'


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts ``bag_10`` after ``bag_9``."""
    return [
        (int(part), '') if part.isdigit() else (-1, part) for part in _DIGITS.split(name) if part
    ]
