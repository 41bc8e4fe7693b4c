"""
What was asked: every call as it arrived, without bodies and without keys.

A key is kept as a fingerprint only, so that a test can say which key came, and that none came elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final, Literal
from urllib.parse import parse_qsl

import attrs

Kind = Literal[
    "upload_start",
    "upload",
    "file",
    "files",
    "download",
    "delete_file",
    "create",
    "get",
    "list",
    "cancel",
    "delete",
    "live",
    "other",
]
"""What a call is about: `upload_start` is Gemini's, `live` asks for one answer, `other` is nobody's path."""

Headers = Mapping[str, str]

KEY_HEADERS: Final = ("authorization", "api-key", "x-api-key", "x-goog-api-key")
KEY_FIELDS: Final = frozenset({"key", "api_key", "api-key", "access_token"})


def fingerprint(key: str) -> str:
    """Which key it is, without the key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:12]


@attrs.define
class Call:
    """
    One call.

    Attributes:
        number: From 1, over all calls.
        at: The virtual time.
        dialect: Whose path it was; empty for a path of nobody.
        kind: What the call is about.
        method: GET, POST, DELETE.
        path: Without the query.
        query: The query's pairs, without those that hold a key.
        headers: Lower-case names, without those that hold a key.
        keys: Fingerprint of each key that came, by the header (or `?field`) that it came in.
        received: Bytes of the body that were read.
        status: What was answered; 0 when nothing (or nothing whole) was.
        fault: The name of the fault that was played, or empty.
    """

    number: int
    at: float
    dialect: str
    kind: Kind
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    keys: Mapping[str, str]
    received: int = 0
    status: int = 0
    fault: str = ""


@attrs.define
class Records:
    """Every call, in the order of arrival."""

    _calls: list[Call] = attrs.field(factory=list)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    def __getitem__(self, index: int) -> Call:
        return self._calls[index]

    def note(self, at: float, whose: tuple[str, Kind], line: tuple[str, str, str], headers: Headers) -> Call:
        """Write down a call that has just arrived; *line* is its method, path and query."""
        dialect, kind = whose
        method, path, query = line
        pairs = parse_qsl(query, keep_blank_values=True)
        keys = {name: fingerprint(bare(headers[name])) for name in KEY_HEADERS if name in headers}
        keys |= {f"?{name}": fingerprint(value) for name, value in pairs if name in KEY_FIELDS}
        call = Call(
            number=len(self._calls) + 1,
            at=at,
            dialect=dialect,
            kind=kind,
            method=method,
            path=path,
            query=tuple(pair for pair in pairs if pair[0] not in KEY_FIELDS),
            headers={name: value for name, value in headers.items() if name not in KEY_HEADERS},
            keys=keys,
        )
        self._calls.append(call)
        return call

    def of(self, kind: Kind | None = None, dialect: str | None = None) -> tuple[Call, ...]:
        """The calls of a kind, of a dialect, or both."""
        return tuple(
            call
            for call in self
            if (kind is None or call.kind == kind) and (dialect is None or call.dialect == dialect)
        )

    def count(self, kind: Kind | None = None, dialect: str | None = None) -> int:
        """How many calls of a kind, of a dialect, or both."""
        return len(self.of(kind, dialect))

    def saw(self, key: str) -> tuple[Call, ...]:
        """The calls that brought *key*, in whatever header or query field."""
        mark = fingerprint(key)
        return tuple(call for call in self if mark in call.keys.values())

    def clear(self) -> None:
        """Forget every call."""
        self._calls.clear()


def bare(value: str) -> str:
    """The key in a header: what follows `Bearer `, or all of it."""
    word, _, rest = value.partition(" ")
    return rest.strip() if word.lower() == "bearer" and rest else value
