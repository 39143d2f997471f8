"""What a command is asked with: its parameters, as the configuration and requests have them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
import json
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    create_model,
    Field,
    TypeAdapter,
    ValidationError,
)

from twinsight_bridge.commands.errors import BodyError, Problem
from twinsight_store.errors import ConfigurationError
from twinsight_store.parameters import Settings

Kind = Literal[
    'number', 'integer', 'boolean', 'text', 'numbers', 'integers', 'texts', 'labels'
]

_LONGEST_TEXT = 2_000
_LONGEST_LIST = 1_000
_MOST_LABELS = 100
_LONGEST_BODY = 20_000
_NUMERIC = ('number', 'integer', 'numbers', 'integers')


def _text(text: str) -> str:
    """Return a text that ROS, PostgreSQL and a log line can hold."""
    if not text.replace('\n', ' ').isprintable():
        raise ValueError('accepted are printable characters')
    return text


_Text = Annotated[
    str, Field(strict=True, max_length=_LONGEST_TEXT), AfterValidator(_text)
]
_SAMPLES: Mapping[str, Any] = {
    'number': 0.5, 'integer': 1, 'boolean': True, 'text': 'text', 'numbers': [0.5],
    'integers': [1], 'texts': ['text'], 'labels': {'name': 'text'},
}


class ParameterSettings(Settings):
    """One parameter of a command; without a default it has to be given."""

    type: Kind = Field(
        description='number, integer, boolean, text, numbers, integers, texts or labels '
        '(an object of texts)'
    )
    description: str = Field('', description='a text for people')
    unit: str = Field('', description='a unit, such as m or rad')
    default: Any = Field(None, description='what it is where it is not given')
    least: float | None = Field(None, description='a number; only for numbers')
    most: float | None = Field(None, description='a number; only for numbers')
    choices: tuple[str, ...] = Field((), description='a list of texts; only for text')

    @property
    def required(self) -> bool:
        """Return whether it has to be given."""
        return 'default' not in self.model_fields_set

    @property
    def sample(self) -> Any:
        """Return a value of its type, to try the mapping with."""
        return self.choices[0] if self.choices else _SAMPLES[self.type]

    def check(self, where: str) -> None:
        """Raise ConfigurationError where its keys do not fit each other."""
        for name in ('least', 'most'):
            if getattr(self, name) is not None and self.type not in _NUMERIC:
                raise ConfigurationError(f'{where}.{name}: accepted only for {_NUMERIC}')
        if self.choices and self.type != 'text':
            raise ConfigurationError(f'{where}.choices: accepted only for type text')
        if not self.required:
            try:
                TypeAdapter(self.accepted()).validate_python(self.default)
            except ValidationError as error:
                raise ConfigurationError(
                    f'{where}.default: {self.default!r}: {_message(dict(error.errors()[0]), ())}'
                ) from error

    def accepted(self) -> Any:
        """Return the type that pydantic checks a value with."""
        limits = Field(strict=True, ge=self.least, le=self.most, allow_inf_nan=False)
        number = Annotated[float, limits]
        integer = Annotated[int, Field(strict=True, ge=self.least, le=self.most)]
        text: Any = _Text
        if self.choices:
            text = Literal[self.choices]
        several = Field(max_length=_LONGEST_LIST)
        return {
            'number': number, 'integer': integer, 'boolean': Annotated[bool, Field(strict=True)],
            'text': text, 'numbers': Annotated[list[number], several],
            'integers': Annotated[list[integer], several],
            'texts': Annotated[list[_Text], several],
            'labels': Annotated[dict[_Text, _Text], Field(max_length=_MOST_LABELS)],
        }[self.type]


class Body:
    """Checks what a command is asked with."""

    def __init__(self, parameters: Mapping[str, ParameterSettings]) -> None:
        """Make one for parameters that were checked."""
        fields: dict[str, Any] = {
            f'p{number}': (each.accepted(), Field(each.default, alias=name))
            if not each.required else (each.accepted(), Field(alias=name))
            for number, (name, each) in enumerate(parameters.items())
        }  # by number, as a name may be one that a model has itself
        self._names = tuple(parameters)
        self._model: type[BaseModel] = create_model(
            'Body', __config__=ConfigDict(extra='forbid'), **fields
        )

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the value of each parameter; raise BodyError, which says all that is wrong."""
        size = len(json.dumps(given))
        if size > _LONGEST_BODY:
            raise BodyError([Problem((), (
                f'it has {size} characters: accepted are {_LONGEST_BODY}'
            ))])
        try:
            return self._model.model_validate(given).model_dump(by_alias=True)
        except ValidationError as error:
            raise BodyError([
                Problem(each['loc'], _message(dict(each), self._names))
                for each in error.errors()
            ]) from error


def _message(mistake: dict[str, Any], names: tuple[str, ...]) -> str:
    if mistake['type'] != 'extra_forbidden':
        return str(mistake['msg']).removeprefix('Value error, ')
    name = str(mistake['loc'][-1])
    near = get_close_matches(name, names, 1)
    return f'unknown: accepted are {", ".join(names) or "none"}' + (
        f'; did you mean {near[0]}?' if near else ''
    )
