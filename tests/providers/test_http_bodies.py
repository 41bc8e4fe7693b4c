"""What comes compressed though nobody asked is decoded within bounds."""

import contextlib
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.providers.bodies import BadBody, Bounds, CutBody, LargeBody, decoded

WIDE = Bounds(2**30)


@given(st.binary(max_size=5000), st.integers(1, 100), st.sampled_from(["gzip", "deflate", "", "identity"]))
def test_what_was_packed_comes_out(data: bytes, block: int, encoding: str) -> None:
    """Any cut into blocks gives the same bytes."""
    packed = {"gzip": gzip.compress(data), "deflate": zlib.compress(data)}.get(encoding, data)
    blocks = [packed[n : n + block] for n in range(0, len(packed), block)]

    assert b"".join(decoded(blocks, encoding, WIDE)) == data


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "br", "GZIP", ", "]))
def test_nothing_else_is_raised(data: bytes, encoding: str) -> None:
    """Any bytes are decoded or refused in one way."""
    with contextlib.suppress(BadBody):
        assert isinstance(b"".join(decoded([data], encoding, WIDE)), bytes)


@given(st.binary(min_size=1, max_size=500), st.data())
def test_a_cut_is_seen(data: bytes, more: st.DataObject) -> None:
    """No proper beginning of a compressed body is taken for all of it."""
    packed = gzip.compress(data)
    kept = packed[: more.draw(st.integers(0, len(packed) - 1))]

    with pytest.raises(CutBody):
        list(decoded([kept], "gzip", WIDE))


def test_a_bomb_is_stopped_early() -> None:
    """At a hundred times its size, in steps that fit into memory."""
    bomb = gzip.compress(bytes(300_000_000))
    came = 0
    blocks = decoded([bomb], "gzip", WIDE)
    largest = 0
    with contextlib.suppress(LargeBody):
        for block in blocks:
            came += len(block)
            largest = max(largest, len(block))

    assert came <= 100 * len(bomb)
    assert largest <= 262_144


def test_a_bound_holds_without_compression() -> None:
    """An endless body ends at the bound."""
    with pytest.raises(LargeBody, match="larger than 10 bytes"):
        list(decoded(iter(lambda: b"1234", b""), "", Bounds(10)))
