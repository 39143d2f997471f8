"""
ROS parameters as validated settings, and errors that a robot engineer can act on.

A node's settings are a frozen pydantic model; the description of a field names the values
that it accepts. Values come from ROS (parameter files, ``-p``, launch files); the files are
read here only to say where a wrong one stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import difflib
from pathlib import Path
import re
from typing import Annotated, Any, get_args, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
import yaml

from twinsight_store.errors import ConfigurationError

_ROS_OWN = ('use_sim_time', 'start_type_description_service')
_ROS_OWN_PREFIX = 'qos_overrides.'

_DURATION = re.compile(r'(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)')
_UNIT_S = {'ms': 0.001, 's': 1.0, 'min': 60.0, 'h': 3600.0, 'd': 86_400.0}


def _seconds(value: object) -> object:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if not match:
            raise ValueError('not a duration')
        return float(match[1]) * _UNIT_S[match[2]]
    return value


Seconds = Annotated[float, BeforeValidator(_seconds)]
"""A duration: seconds, or text with a unit (``500ms``, ``1s``, ``2min``, ``1h``, ``30d``)."""

Text = Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, (int, float)) else v)]
"""Text; ROS makes a number of what looks like one, this makes text of it again."""


class Settings(BaseModel):
    """Base of the settings of a node: frozen, and no key that is not known."""

    model_config = ConfigDict(frozen=True, extra='forbid')


S = TypeVar('S', bound=Settings)


def parameter_files(arguments: Sequence[str]) -> list[str]:
    """Return the parameter files that a ROS command line names, in their order."""
    files = []
    for option, value in zip(arguments, arguments[1:], strict=False):
        if option == '--params-file':
            files.append(value)
    return files


def check_parameter_files(arguments: Sequence[str]) -> None:
    """Raise ConfigurationError where a parameter file is absent, no YAML or not one of ROS."""
    for file in parameter_files(arguments):
        for node, block in _load(file).items():
            if not isinstance(block, dict) or 'ros__parameters' not in block:
                raise ConfigurationError(
                    f'{file}: {node}: accepted is a ROS parameter file '
                    '(node name, then ros__parameters, then keys)'
                )


def nested(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted ROS parameters as nested dictionaries, without ROS's own ones."""
    tree: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in _ROS_OWN or name.startswith(_ROS_OWN_PREFIX) or value is None:
            continue
        *parents, leaf = name.split('.')
        place = tree
        for parent in parents:
            child = place.setdefault(parent, {})
            place = child if isinstance(child, dict) else {}
        place[leaf] = value
    return tree


def validated(model: type[S], parameters: Mapping[str, Any], arguments: Sequence[str]) -> S:
    """
    Return a node's settings.

    parameters  dotted names and values, as ROS has them
    arguments   the node's command line, to find the file of a wrong value

    Raises ConfigurationError: one line a mistake, with file, key and the accepted values.
    """
    try:
        return model.model_validate(nested(parameters))
    except ValidationError as error:
        lines = [_explain(model, dict(mistake), arguments) for mistake in error.errors()]
        raise ConfigurationError('\n'.join(lines)) from error


def _explain(model: type[BaseModel], mistake: dict[str, Any], arguments: Sequence[str]) -> str:
    path = [str(part) for part in mistake['loc'] if not isinstance(part, int)]
    key = '.'.join(path)
    where = f'{_file_of(path, arguments)}: {key}'
    if mistake['type'] == 'extra_forbidden':
        known = sorted(_model_at(model, path[:-1]).model_fields)
        near = difflib.get_close_matches(path[-1], known, 1)
        hint = f'; did you mean {near[0]}?' if near else ''
        return f'{where}: unknown key; accepted here are {", ".join(known)}{hint}'
    reason = mistake['msg'].removeprefix('Value error, ')
    accepted = _description(model, path)
    if mistake['type'] == 'missing':
        return f'{where}: missing; accepted: {accepted}'
    return f'{where}: {mistake["input"]!r}: {reason}; accepted: {accepted}'


def _model_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    for part in path:
        field = model.model_fields.get(part)
        if field is None:
            continue  # the name of a stream, a label or the like
        inner = _inner_model(field.annotation)
        if inner is not None:
            model = inner
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _description(model: type[BaseModel], path: Sequence[str]) -> str:
    text = ''
    for part in path:
        field = model.model_fields.get(part)
        if field is None:
            continue
        text = field.description or text
        model = _inner_model(field.annotation) or model
    return text


def _file_of(path: Sequence[str], arguments: Sequence[str]) -> str:
    key = '.'.join(path)
    if any(argument.startswith(f'{key}:=') for argument in arguments):
        return 'argument -p'
    for length in range(len(path), -1, -1):  # a missing key is said of the file with its parent
        for file in reversed(parameter_files(arguments)):
            if any(_has(block, path[:length]) for block in _blocks(_load(file))):
                return file
    return 'parameters'


def _blocks(tree: Mapping[str, Any]) -> Iterator[Any]:
    return (block.get('ros__parameters') for block in tree.values() if isinstance(block, dict))


def _has(place: Any, path: Sequence[str]) -> bool:
    if not path:
        return True
    if not isinstance(place, dict):
        return False
    return any(
        '.'.join(path[:length]) in place and _has(place['.'.join(path[:length])], path[length:])
        for length in range(1, len(path) + 1)
    )


def _load(file: str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(Path(file).read_text())
    except OSError as error:
        raise ConfigurationError(f'{file}: cannot be read ({error.strerror})') from error
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        line = f' line {mark.line + 1}:' if mark else ''
        problem = getattr(error, 'problem', None) or 'cannot be parsed'
        raise ConfigurationError(f'{file}:{line} not YAML ({problem})') from error
    if not isinstance(tree, dict):
        raise ConfigurationError(f'{file}: empty; accepted is a ROS parameter file')
    return tree
