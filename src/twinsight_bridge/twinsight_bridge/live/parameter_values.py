"""Parameter values: of ROS, as viewers see them, and back."""

from __future__ import annotations

import base64
import math
from typing import Any

from rcl_interfaces.msg import ParameterType, ParameterValue
from rclpy.parameter import parameter_value_to_python

_FIELDS = {
    ParameterType.PARAMETER_BOOL: ('bool_value', bool),
    ParameterType.PARAMETER_INTEGER: ('integer_value', int),
    ParameterType.PARAMETER_DOUBLE: ('double_value', float),
    ParameterType.PARAMETER_STRING: ('string_value', str),
}
_ARRAYS = {
    ParameterType.PARAMETER_BOOL_ARRAY: ('bool_array_value', bool),
    ParameterType.PARAMETER_INTEGER_ARRAY: ('integer_array_value', int),
    ParameterType.PARAMETER_DOUBLE_ARRAY: ('double_array_value', float),
    ParameterType.PARAMETER_STRING_ARRAY: ('string_array_value', str),
}
_SCALAR_OF = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}
_ARRAY_OF = {
    bool: ParameterType.PARAMETER_BOOL_ARRAY,
    int: ParameterType.PARAMETER_INTEGER_ARRAY,
    float: ParameterType.PARAMETER_DOUBLE_ARRAY,
    str: ParameterType.PARAMETER_STRING_ARRAY,
}


def shown(name: str, value: ParameterValue) -> dict[str, Any]:
    """Return a ROS parameter as the viewers' JSON has it; what JSON cannot tell is null."""
    if value.type == ParameterType.PARAMETER_BYTE_ARRAY:
        content = base64.b64encode(b''.join(value.byte_array_value)).decode()
        return {'name': name, 'value': content, 'type': 'byte_array'}
    python: Any = parameter_value_to_python(value)
    if value.type == ParameterType.PARAMETER_DOUBLE:
        return {'name': name, 'value': _finite(python), 'type': 'float64'}
    if value.type == ParameterType.PARAMETER_DOUBLE_ARRAY:
        return {'name': name, 'value': [*map(_finite, python)], 'type': 'float64_array'}
    if value.type in _ARRAYS:
        return {'name': name, 'value': list(python)}
    return {'name': name, 'value': python}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def given(value: Any, kind: str | None, declared: int) -> ParameterValue:
    """
    Return what a viewer wants a parameter to be.

    value     as in the viewer's JSON
    kind      the type that the viewer names: byte_array, float64, float64_array or None
    declared  the ROS type that the parameter has, or PARAMETER_NOT_SET

    A whole number becomes a float where the parameter is one. Raises ValueError.
    """
    if value is None:
        return ParameterValue(type=ParameterType.PARAMETER_NOT_SET)
    if kind == 'byte_array' or declared == ParameterType.PARAMETER_BYTE_ARRAY:
        return _bytes(value)
    if isinstance(value, list):
        return _array(value, kind, declared)
    if type(value) not in _SCALAR_OF:
        raise ValueError('accepted are booleans, numbers, texts and lists of one of these')
    found = _SCALAR_OF[type(value)]
    if found == ParameterType.PARAMETER_INTEGER and (
        kind == 'float64' or declared == ParameterType.PARAMETER_DOUBLE
    ):
        found = ParameterType.PARAMETER_DOUBLE
    if found == ParameterType.PARAMETER_DOUBLE and _is_integer(declared, kind, value):
        found = ParameterType.PARAMETER_INTEGER
    field, convert = _FIELDS[found]
    return ParameterValue(type=found, **{field: convert(value)})


def _is_integer(declared: int, kind: str | None, value: float) -> bool:
    return (
        declared == ParameterType.PARAMETER_INTEGER and kind is None and value == int(value)
    )


def _array(value: list[Any], kind: str | None, declared: int) -> ParameterValue:
    types = {type(each) for each in value}
    if types == {int, float} or (
        types == {int}
        and (kind == 'float64_array' or declared == ParameterType.PARAMETER_DOUBLE_ARRAY)
    ):
        types = {float}
    if not types and declared in _ARRAYS:
        found = declared
    elif len(types) == 1 and (only := types.pop()) in _ARRAY_OF:
        found = _ARRAY_OF[only]
    else:
        raise ValueError('accepted are lists of booleans, of numbers or of texts')
    field, convert = _ARRAYS[found]
    return ParameterValue(type=found, **{field: [convert(each) for each in value]})


def _bytes(value: Any) -> ParameterValue:
    try:
        content = base64.b64decode(value, validate=True)
    except (ValueError, TypeError) as error:
        raise ValueError('accepted is base64') from error
    return ParameterValue(
        type=ParameterType.PARAMETER_BYTE_ARRAY,
        byte_array_value=[bytes((each,)) for each in content],
    )
