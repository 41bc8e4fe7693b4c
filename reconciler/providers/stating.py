"""
What a provider of a user says, held to being what it has to be, as plain values that can be written down.

Pure. Whatever it is handed it either gives back as one of ours or calls nonsense, in words without a key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from reconciler.errors import (
    CallRefused,
    KeyRefused,
    Later,
    NotThere,
    PermanentError,
    ReconcilerError,
    TransientError,
    Uncertain,
    Unreachable,
)
from reconciler.model.identity import Role
from reconciler.model.record import Counts, Refusal
from reconciler.model.remote import RemoteBatch, RemoteFile
from reconciler.model.words import words_of

LONGEST: Final = 4096
"""Characters of a text that are kept, or that an id may have."""

_INTENT: Final = re.compile("[0-9a-f]{32}", re.ASCII)
_HUGE: Final = 1 << 53
_WAIT: Final = 86_400.0
_FINDINGS: Final = 1000
"""Findings of one batch that are kept."""

Hide = Callable[[str], str]
"""Takes keys out of a text."""


class Nonsense(Exception):
    """What was said cannot be; the message says how."""


def text(what: str, value: Any, *, empty: bool = False) -> str:
    """
    A text that any file takes.

    Raises:
        Nonsense: It is none, or one that cannot be written down.
    """
    if not isinstance(value, str) or not (value or empty):
        raise Nonsense(f"{what} is {seen(value)}, expected a text")
    plain = str.__str__(value)
    if len(plain) > LONGEST or not plain.isprintable():
        raise Nonsense(f"{what} is {seen(value)}, which is too long or holds what no id has")
    return plain


def maybe(what: str, value: Any) -> str | None:
    """The same, or nothing."""
    return None if value is None else text(what, value)


def words(value: Any, hide: Hide) -> str:
    """Any text, for people: cut, without keys, and fit for any file."""
    if not isinstance(value, str):
        raise Nonsense(f"{seen(value)} is no text")
    return hide(str.__str__(value)).encode("utf-8", "backslashreplace").decode()[:LONGEST]


def number(what: str, value: Any) -> float | None:
    """
    Seconds, or nothing.

    Raises:
        Nonsense: It is something else.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _HUGE:
        raise Nonsense(f"{what} is {seen(value)}, expected seconds since 1970 or None")
    return float(value)


def count(what: str, value: Any) -> int | None:
    """
    A whole number from 0, or nothing.

    Raises:
        Nonsense: It is something else.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _HUGE:
        raise Nonsense(f"{what} is {seen(value)}, expected a number from 0 or None")
    return int(value)


def batch(found: Any, hide: Hide) -> RemoteBatch:
    """
    A batch as plain values.

    Raises:
        Nonsense: Something of it cannot be.
    """
    if not isinstance(found, RemoteBatch):
        raise Nonsense(f"{seen(found)} is no RemoteBatch")
    counts: Any = found.counts
    files: Any = found.files
    if not isinstance(counts, Counts):
        raise Nonsense(f"counts is {seen(counts)}, expected Counts")
    if not isinstance(files, Mapping) or any(key not in (Role.OUTPUT, Role.ERROR) for key in files):
        raise Nonsense(f"files is {seen(files)}, expected ids by Role.OUTPUT and Role.ERROR")
    return RemoteBatch(
        batch_id=text("batch_id", found.batch_id),
        status=text("status", found.status, empty=True),
        endpoint=maybe("endpoint", found.endpoint),
        counts=Counts(**{key: count(f"counts.{key}", getattr(counts, key)) for key in _COUNTED}),
        created_at=number("created_at", found.created_at),
        intent=_tag(found.intent),
        input_file_id=maybe("input_file_id", found.input_file_id),
        files={Role(key): text(f"files[{key}]", value) for key, value in files.items() if value is not None},
        results_until=number("results_until", found.results_until),
        refusals=tuple(_refusal(each, hide) for each in tuple(found.refusals)[:_FINDINGS]),
        error=words(found.error, hide),
    )


def file(found: Any) -> RemoteFile:
    """
    A file as plain values.

    Raises:
        Nonsense: Something of it cannot be.
    """
    if not isinstance(found, RemoteFile):
        raise Nonsense(f"{seen(found)} is no RemoteFile")
    return RemoteFile(
        text("file_id", found.file_id),
        name=words(found.name, str),
        size=count("size", found.size),
        created_at=number("created_at", found.created_at),
        purpose=words(found.purpose, str),
    )


def restated(error: BaseException, name: str, hide: Hide) -> ReconcilerError | None:
    """
    One of our errors that a provider has raised itself, in its plain form and under the provider's name.

    Returns:
        None where it is none of those that a provider may raise.
    """
    told = words_of(error, LONGEST)
    told = hide(told if told.startswith(name) else f"{name}: {told}")
    said = {key: _said(error, key, hide) for key in ("hint", "code", "told")}
    hint = said.pop("hint")
    match error:
        case Uncertain():
            return Uncertain(told, hint=hint)
        case CallRefused():
            kind = NotThere if isinstance(error, NotThere) else CallRefused
            status = getattr(error, "status", 0)
            return kind(told, status=status if type(status) is int else 0, hint=hint, **said)
        case KeyRefused():
            return KeyRefused(told, hint=hint)
        case Later():
            wait = getattr(error, "seconds", 0.0)
            sound = type(wait) in (int, float) and math.isfinite(wait)
            return Later(told, min(max(float(wait), 0.0), _WAIT) if sound else 0.0, hint=hint)
        case Unreachable():
            return Unreachable(told, hint=hint)
        case TransientError():
            return TransientError(told, hint=hint)
        case PermanentError():
            return PermanentError(told, hint=hint)
    return None


def seen(value: Any) -> str:
    """What something is, in a few words that hold no key."""
    if value is None or isinstance(value, bool | int | float):
        return f"{value!r:.40}"
    if isinstance(value, str):
        return "a text" if value else "an empty text"
    return f"a {type(value).__name__}"


def _said(error: BaseException, key: str, hide: Hide) -> str:
    """A text that an error has, which may be of a class of the user's; empty where it has none."""
    found = getattr(error, key, "")
    return words(found, hide) if isinstance(found, str) else ""


_COUNTED: Final = tuple(field.name for field in attrs.fields(Counts))


def _tag(value: Any) -> str | None:
    """An intent. What else stands there somebody else has written, and no list fails for it."""
    return str.__str__(value) if isinstance(value, str) and _INTENT.fullmatch(value) else None


def _refusal(found: Any, hide: Hide) -> Refusal:
    """One finding."""
    if not isinstance(found, Refusal):
        raise Nonsense(f"a refusal is {seen(found)}, expected Refusal")
    line = count("the line of a refusal", found.line)
    return Refusal(words(found.code, hide), words(found.message, hide), line or None)
