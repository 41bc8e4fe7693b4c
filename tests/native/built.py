"""The C code for tests, which are left out where it was not built."""

from __future__ import annotations

from array import array
from typing import Final

import pytest

from reconciler.native import NATIVE, Native
from reconciler.processors.results import PIECES

only_built: Final = pytest.mark.skipif(NATIVE is None, reason="the C code was not built, or is switched off")


def native() -> Native:
    """It is there: tests that ask for it are marked `only_built`."""
    assert NATIVE is not None
    return NATIVE


def request_taken(raw: bytes) -> bytes | None:
    """The id under which one line of a request is taken in, None where it is not."""
    positions: dict[bytes, int] = {}
    at, digests, starts, lines = native().take_requests(raw, 0, len(raw), 7, 2, positions)
    if at == 0:
        assert (positions, digests, starts, lines) == ({}, b"", b"", b"")
        return None
    assert at == len(raw)
    assert (array("Q", starts).tolist(), array("Q", lines).tolist()) == ([7], [3])
    ((custom_id, place),) = positions.items()
    assert place == 0
    return custom_id


def answer_taken(raw: bytes, custom_id: bytes, *, keep: bool) -> tuple[bool, bytes | None]:
    """Whether one line is taken in as the answer to a request, and the head of its results line."""
    roles, arrays = bytearray(1), (array("Q", [0]), array("Q", [0]), array("Q", [0]))
    heads: list[bytes | None] | None = [None] if keep else None
    where = raw, 0, len(raw), 7, 2
    at, count = native().take_answers(*where, {custom_id: 0}, 2, roles, *arrays, heads, PIECES)
    if at == 0:
        assert (count, bytes(roles), heads) == (0, b"\0", [None] if keep else None)
        return False, None
    assert (at, count, bytes(roles)) == (len(raw), 1, b"\2")
    assert [each[0] for each in arrays] == [3, 7, len(raw) - 1]
    return True, heads[0] if heads is not None else None
