"""What user code returns, as JSON that any reader takes."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from reconciler.model.words import words_of


class NoJson(ValueError):
    """A value that cannot stand in a JSON file; its words say what it is."""


def as_json(value: Any) -> Any:
    """
    *value* in plain JSON types.

    Dataclasses, attrs classes, msgspec structs, Pydantic models, dates, enums and sets are taken apart.

    Raises:
        NoJson: It holds NaN, a key that is no string, half a surrogate pair, itself, or an object that nobody
            can take apart.
    """
    try:
        plain = msgspec.to_builtins(value, enc_hook=_taken_apart, order="deterministic")
        json.dumps(plain, allow_nan=False, ensure_ascii=False).encode()
        whole = _string_keys(plain)
    except Exception as error:
        # A model's own way of taking itself apart may raise anything.
        raise NoJson(f"returned {type(value).__name__}, which is no JSON: {words_of(error, 200)}") from error
    if not whole:
        raise NoJson(f"returned {type(value).__name__}, which is no JSON: a key is no string")
    return plain


def _string_keys(value: Any) -> bool:
    """Whether every key in *value* is a string: JSON knows no others, and two could become one."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_string_keys, value.values()))
    return all(map(_string_keys, value)) if isinstance(value, list | tuple) else True


def _taken_apart(value: Any) -> Any:
    """A Pydantic model, or anything else that offers its content in the same way."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
