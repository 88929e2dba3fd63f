"""Plain values as dataclasses, checked key by key: every mistake is a UserError of one line that names the key and says what would do."""

import dataclasses
import difflib
import math
import types
import typing

from tcan.errors import UserError


def parse(kind, value, where, meta=types.MappingProxyType({}), prefix="", apart=()):
    """`value` as `kind` (a dataclass, a list, a dict or a scalar type), or a UserError that names the key.

    where: the dotted key of `value`; "" for the whole, whose keys are then named with `prefix`, but for those `apart`.
    meta: a dataclass field's metadata: choices, min, max.
    """
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise UserError(f"{where or 'params.yaml'}: expected a mapping, got {value!r}")
        fields = {item.name: item for item in dataclasses.fields(kind)}
        hints = typing.get_type_hints(kind)
        for key in value:
            if key not in fields:
                raise UserError(unknown(key, fields, where or prefix.rstrip(".")))
        result = {}
        for name, item in fields.items():
            own = f"{where}.{name}" if where else (name if name in apart else prefix + name)
            if name in value:
                result[name] = parse(hints[name], value[name], own, item.metadata)
            elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
                raise UserError(f"{own}: expected a value, got none; add it to params.yaml")
        return kind(**result)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else parse(inner[0], value, where, meta)
    if kind is list or origin is list:
        if not isinstance(value, list):
            raise UserError(f"{where}: expected a list, got {value!r}")
        return [parse(inner[0], item, f"{where}[{index}]", meta) for index, item in enumerate(value)] if inner else value
    if kind is dict or origin is dict:
        if not isinstance(value, dict):
            raise UserError(f"{where}: expected a mapping, got {value!r}")
        return {key: parse(inner[1], item, f"{where}.{key}") for key, item in value.items()} if inner else value
    return _scalar(kind, value, where, meta)


def _scalar(kind, value, where, meta):
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        raise UserError(f"{where}: expected {words[kind]}, got {value!r}")
    if kind is float and not math.isfinite(value):
        raise UserError(f"{where}: expected a finite number, got {value!r}")
    if "choices" in meta and value not in meta["choices"]:
        raise UserError(f"{where}: expected one of {', '.join(map(str, meta['choices']))}, got {value!r}")
    if "min" in meta and not value >= meta["min"]:
        raise UserError(f"{where}: expected at least {meta['min']}, got {value!r}")
    if "max" in meta and not value <= meta["max"]:
        raise UserError(f"{where}: expected at most {meta['max']}, got {value!r}")
    return value


def unknown(key, known, where):
    """The message for a name that isn't among those known."""
    close = difflib.get_close_matches(str(key), [str(name) for name in known], 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{where + ': ' if where else ''}expected one of {', '.join(map(str, known))}, got {key!r}{hint}"


def named(table, name, kind):
    """`table[name]`, or a UserError that lists the names; kind: what they are names of."""
    if name not in table:
        raise UserError(unknown(name, table, kind))
    return table[name]
