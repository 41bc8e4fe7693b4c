"""What user code returns, as JSON that any reader takes."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from reconciler.model.words import words_of

_HUGE: Final = 1e300
"""Up to there a number is written as any reader takes it."""

_WHOLE: Final = 1 << 53
"""Up to there an integer is."""

_DEEP: Final = 64
"""Objects and arrays one in another, as deep as any reader takes them."""


class NoJson(ValueError):
    """A value that cannot stand in a JSON file; its words say what it is."""


def as_json(value: Any, *, sort: bool = True) -> Any:
    """
    *value* in plain JSON types.

    Dataclasses, attrs classes, msgspec structs, Pydantic models, dates, enums and sets are taken apart.

    Args:
        value: What user code returned.
        sort: Sort the keys of objects, and sets.

    Raises:
        NoJson: It holds NaN, a key that is no string, half a surrogate pair, itself, or an object that nobody
            can take apart.
    """
    try:
        plain = msgspec.to_builtins(value, enc_hook=_taken_apart, order="deterministic" if sort else None)
        json.dumps(plain, allow_nan=False, ensure_ascii=False).encode()
        whole = _string_keys(plain)
    except Exception as error:
        # A model's own way of taking itself apart may raise anything.
        raise NoJson(f"returned {type(value).__name__}, which is no JSON: {words_of(error, 200)}") from error
    if not whole:
        raise NoJson(f"returned {type(value).__name__}, which is no JSON: a key is no string")
    return plain


def is_plain(value: Any, depth: int = _DEEP) -> bool:
    """
    Whether *value* is JSON as it is, at one quick look: what a decoder gives, in ASCII, not nested deeply.

    False leaves the question open; `as_json` answers it.
    """
    kind = type(value)
    if kind is dict:
        # A loop that asks for the most frequent types itself, for every answer comes through here.
        for key, each in value.items():
            if type(key) is not str or not key.isascii():
                return False
            kind = type(each)
            if kind is str:
                if not each.isascii():
                    return False
            elif kind is dict or kind is list:
                if not depth or not is_plain(each, depth - 1):
                    return False
            elif not _is_number(each):
                return False
        return True
    if kind is list:
        return bool(depth) and all(is_plain(each, depth - 1) for each in value)
    return bool(value.isascii()) if kind is str else _is_number(value)


def _is_number(value: Any) -> bool:
    """Whether *value* is a number that any reader takes, true, false or null."""
    kind = type(value)
    if kind is int:
        return bool(-_WHOLE < value < _WHOLE)
    if kind is float:
        return bool(-_HUGE < value < _HUGE)
    return value is None or kind is bool


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
