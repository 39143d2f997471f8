"""Missions whose robot has vanished: looked for once a minute."""

from __future__ import annotations

from contextlib import suppress
import time

from twinsight_store.errors import TwinsightError
from twinsight_store.history.mission_rows import close_lost_missions
from twinsight_store.history.postgres import connect, postgres_errors, PostgresSettings

_PERIOD_S = 60.0


class LostMissions:
    """Ends in the database the missions that were not heard of for ``after_s``."""

    def __init__(self, settings: PostgresSettings, after_s: float) -> None:
        self._settings = settings
        self._after_s = after_s
        self._look_at = time.monotonic() + min(_PERIOD_S, after_s)

    def look(self) -> None:
        """Look, if it is time; where the database is away, it will be looked for later."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + min(_PERIOD_S, self._after_s)
        with (
            suppress(TwinsightError),
            postgres_errors(self._settings),
            connect(self._settings, 'twinsight missions') as connection,
        ):
            close_lost_missions(connection, self._after_s)
