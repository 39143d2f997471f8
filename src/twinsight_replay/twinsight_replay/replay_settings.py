"""What a replay is told, by parameters or on the command line, validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ByteSize, Field

from twinsight_replay.play_options import PlayOptions
from twinsight_replay.read_ahead import READ_AHEAD_BYTES
from twinsight_store.errors import ConfigurationError
from twinsight_store.layout import DEFAULT_BUCKET
from twinsight_store.parameters import Seconds, Settings, Text, validated
from twinsight_store.selection import Selection
from twinsight_store.selection_arguments import check_not_empty, labels_from, time_from
from twinsight_store.times import ACCEPTED

_DURATION = 'seconds, or a number with ms, s, min or h'
_YES = 'true or false'
_LARGEST_DURATION_S = 1e9


def _several(value: object) -> object:
    """Return one text as a list of it; ROS has no empty list without a type, so '' is none."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(value) if isinstance(value, Sequence) else value


Texts = Annotated[tuple[Text, ...], BeforeValidator(_several)]
Duration = Annotated[Seconds, Field(ge=0, le=_LARGEST_DURATION_S)]


class ReplaySettings(Settings):
    """All parameters of the replay node; the command line has the same names."""

    robot: Texts = Field((), description='robot ids')
    mission: Texts = Field((), description='mission ids')
    sensor: Texts = Field((), description='sensor types')
    topic: Texts = Field((), description='topics, or patterns such as /camera/*')
    label: Texts = Field((), description='NAME=VALUE')
    from_time: Text = Field('', alias='from', description=ACCEPTED)
    to_time: Text = Field('', alias='to', description=ACCEPTED)
    bucket: Texts = Field((), description='names of buckets in ReductStore')
    metrics: bool = Field(True, description=_YES)
    align: Literal['time', 'start'] = Field('time', description='time or start')

    rate: float = Field(1.0, description='a number above 0, or inf')
    paused: bool = Field(False, description=_YES)
    loop: bool = Field(False, description=_YES)
    stay: bool = Field(False, description=_YES)
    latched: bool = Field(True, description=_YES)
    start_offset: Duration = Field(0.0, description=_DURATION)
    duration: Duration | None = Field(None, description=_DURATION)
    until: Text = Field('', description=ACCEPTED)
    delay: Duration = Field(0.0, description=_DURATION)
    read_ahead: ByteSize = Field(
        ByteSize(READ_AHEAD_BYTES), gt=0, description='bytes, or a number with kB, MB or GB'
    )
    real_time: bool = Field(True, description=_YES)

    prefix: Text = Field('', description='a name like /replay')
    remap: Texts = Field((), description='/recorded/topic:=/other/topic')
    now: bool = Field(False, description=_YES)
    clock: float = Field(0.0, ge=0, le=10_000, description='Hz, 0 for none')
    clock_topics: Texts = Field((), description='recorded topics, or patterns')
    clock_topics_all: bool = Field(False, description=_YES)
    discovery_time: Duration = Field(4.0, description=_DURATION)
    wait_for_subscribers: Duration = Field(0.0, description=_DURATION)
    keyboard: bool = Field(True, description=_YES)

    @property
    def selection(self) -> Selection:
        """Return what is played; raises ConfigurationError where it is no selection."""
        for name in ('robot', 'mission', 'sensor', 'topic', 'bucket'):
            check_not_empty(name, getattr(self, name))
        return Selection(
            robots=self.robot, missions=self.mission, sensors=self.sensor, topics=self.topic,
            from_ns=time_from('--from', self.from_time or None),
            to_ns=time_from('--to', self.to_time or None),
            labels=labels_from(self.label),
        )

    @property
    def buckets(self) -> tuple[str, ...]:
        """Return where the records are."""
        return self.bucket or (DEFAULT_BUCKET,)

    @property
    def options(self) -> PlayOptions:
        """Return how it is played; raises ConfigurationError for a time that is none."""
        return PlayOptions(
            rate=self.rate, paused=self.paused, loop=self.loop, stay=self.stay,
            latched=self.latched, offset_ns=_ns(self.start_offset),
            duration_ns=None if self.duration is None else _ns(self.duration),
            until_ns=time_from('--until', self.until or None), delay_ns=_ns(self.delay),
        )


def settings_of(
    parameters: Mapping[str, Any], options: Mapping[str, Any], ros_arguments: Sequence[str]
) -> ReplaySettings:
    """
    Return the settings; what the command line gives stands before parameters.

    Raises ConfigurationError: one line a mistake, which names the option, or file and key.
    """
    try:
        return validated(ReplaySettings, {**parameters, **options}, ros_arguments)
    except ConfigurationError as error:
        text = str(error)
        for name in options:
            text = text.replace(f'parameters: {name}:', f'--{name.replace("_", "-")}')
        raise ConfigurationError(text) from error


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
