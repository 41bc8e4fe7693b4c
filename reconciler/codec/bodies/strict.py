"""
Schemas as providers hold answers to them: objects that are closed, with all of their members named.

Source: OpenAI's and Anthropic's guides on structured output: an object says `additionalProperties:
false` and, at OpenAI, requires each of its properties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_SCHEMAS_BY_NAME: Final = ("properties", "$defs", "definitions", "patternProperties")
_SCHEMAS_LISTED: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
_SCHEMA: Final = ("items", "not", "if", "then", "else")


def closed(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """
    The schema with every object closed; None where it has an object of any names, which cannot be closed.

    An optional member becomes one that is always given, as its type allows.
    """
    try:
        found: Mapping[str, Any] = _closed(schema)
    except _OpenError:
        return None
    return found


class _OpenError(Exception):
    """An object takes names that nobody knows before."""


def _closed(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _SCHEMAS_BY_NAME and isinstance(value, Mapping):
            found[key] = {name: _closed(each) for name, each in value.items()}
        elif key in _SCHEMAS_LISTED and isinstance(value, list):
            found[key] = [_closed(each) for each in value]
        elif key in _SCHEMA:
            found[key] = _closed(value)
        elif key != "default":
            found[key] = value
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties", False) is not False or "patternProperties" in schema:
            raise _OpenError
        if not isinstance(schema.get("properties"), Mapping):
            raise _OpenError
        found["additionalProperties"] = False
        found["required"] = list(schema["properties"])
    return found
