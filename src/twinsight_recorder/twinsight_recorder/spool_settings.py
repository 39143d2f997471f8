"""The settings of a spool, the same in every node that has one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import ByteSize, Field, field_validator

from twinsight_recorder.journal_settings import JournalSettings
from twinsight_store.parameters import Settings, Text
from twinsight_store.spool import SMALLEST_LIMIT

SIZE = 'a size in bytes, or text with a unit: 64kB, 1MB, 20GB, 1MiB'


class SpoolSettings(Settings):
    """Where data waits on disk until the stores have it."""

    folder: Text = Field(
        '', description='a folder; empty: one in ~/.ros named after robot and node'
    )
    size: ByteSize = Field(
        ByteSize(4_000_000_000), description=f'0 for no spool, or at least 1MB: {SIZE}'
    )
    when_full: Literal['drop_oldest', 'drop_newest'] = Field(
        'drop_oldest', description='drop_oldest or drop_newest'
    )

    @field_validator('size')
    @classmethod
    def _is_enough(cls, size: ByteSize) -> ByteSize:
        if 0 < size < SMALLEST_LIMIT:
            raise ValueError('too small')
        return size

    def placed(self, robot_id: str, node_name: str) -> JournalSettings:
        """Return where a node's data waits on disk; node_name is fully qualified."""
        home = Path(os.environ.get('ROS_HOME') or '~/.ros').expanduser()
        node = node_name.strip('/').replace('/', '_')
        usual = home / 'twinsight' / 'spool' / robot_id / node
        return JournalSettings(
            Path(self.folder).expanduser() if self.folder else usual,
            int(self.size),
            keep_oldest=self.when_full == 'drop_newest',
        )
