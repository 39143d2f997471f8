"""What can be set: one frozen, validated object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from twinsight_sim.faults import ACCEPTED, Fault, parse_fault
from twinsight_store.parameters import Seconds, Settings, Text

Rate = Annotated[float, Field(ge=0.0, le=1000.0, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=64, le=1280, multiple_of=16)]
Span = Annotated[Seconds, Field(ge=0.0, allow_inf_nan=False)]
RATE = 'messages a second from 0 to 1000; at 0 the topics of the sensor are not advertised'


class Rates(Settings):
    """Messages a second of each sensor (Hz)."""

    camera: Rate = Field(30.0, description=RATE)
    scan: Rate = Field(10.0, description=RATE)
    costmap: Rate = Field(2.0, description=RATE)
    odom: Rate = Field(50.0, description=RATE)
    tf: Rate = Field(50.0, description=RATE)
    imu: Rate = Field(200.0, description=RATE)
    battery: Rate = Field(1.0, description=RATE)
    state: Rate = Field(1.0, description=RATE)
    diagnostics: Rate = Field(1.0, description=RATE)


class SimSettings(Settings):
    """Parameters of ``sim_robot``; ``seed`` fixes noise, wheel slip and the first charge."""

    seed: int = Field(1, ge=0, description='an integer from 0 up')
    duration: Span = Field(0.0, description='seconds from 0 up; 0 runs until stopped')
    faults: tuple[Fault, ...] = Field(
        (), description=f'a list of strings, or one string with commas, of {ACCEPTED}')
    rates: Rates = Rates()
    image_size: tuple[Pixels, Pixels] = Field(
        (320, 240), description='[width, height] in pixels, multiples of 16 from 64 to 1280')
    frame_prefix: Text = Field(
        '', pattern=r'^([A-Za-z_][A-Za-z0-9_/]*)?$',
        description='letters, digits, _ and /, for example robot_01/; it goes in front of every '
                    'frame but map, which robots share')
    ledger: Path | None = Field(
        None, description='path of a file that can be written; empty for none')
    wait_for_subscribers: Span = Field(
        0.0, description='seconds from 0 up; 0 does not wait')

    @field_validator('faults', mode='before')
    @classmethod
    def _read_faults(cls, value: Any) -> tuple[Fault, ...]:
        """Accept a list of strings, or one string with commas."""
        if not isinstance(value, (str, list, tuple)):
            raise ValueError('not text')
        texts = value.split(',') if isinstance(value, str) else value
        return tuple(parse_fault(str(text)) for text in texts if str(text).strip())

    @field_validator('ledger', mode='before')
    @classmethod
    def _no_ledger(cls, value: Any) -> Any:
        """Read an empty path as none."""
        return value or None
