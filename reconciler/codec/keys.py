"""
Put the id into an answer line that bears none.

For requests that another tool has sent inline, without keys: the provider answers them in their order, and
the place of an answer is all that says whose it is. All bytes of the line stay.
"""

from __future__ import annotations

from typing import Final

import msgspec

from reconciler.codec.jsonl import Line, decode_strict

_IDS: Final = ("key", "custom_id", "metadata")
_SPACE: Final = b" \t\r\n"


def bears_id(line: Line, path: str) -> bool:
    """
    Whether a line has a member that may say whose it is.

    Raises:
        BadLine: It is no object.
    """
    return not decode_strict(line, path).keys().isdisjoint(_IDS)


def with_key(line: Line, key: str) -> Line:
    """A line without an id, which is an object, as the answer to the request *key*."""
    head, _, rest = line.data.partition(b"{")
    comma = b"" if rest.lstrip(_SPACE).startswith(b"}") else b","
    return line._replace(data=head + b'{"key":' + msgspec.json.encode(key) + comma + rest)
