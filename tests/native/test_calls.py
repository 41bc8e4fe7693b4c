"""Wrong arguments are refused: the C code looks at no byte and no place that it was not given."""

import gc
import sys
from array import array
from typing import Any

import pytest

from reconciler.processors.results import PIECES
from tests.codec.samples import GOOD, envelope
from tests.native.built import native, only_built

pytestmark = only_built

ASKED = b'{"custom_id":"r-1","body":{}}\n'
ANSWER = envelope(GOOD) + b"\n"


def arrays() -> tuple[Any, Any, Any, Any]:
    """The places of one request."""
    return bytearray(1), array("Q", [0]), array("Q", [0]), array("Q", [0])


@pytest.mark.parametrize(("at", "end"), [(-1, 5), (3, 2), (0, len(ASKED) + 1), (sys.maxsize, sys.maxsize)])
def test_parts_of_a_block(at: int, end: int) -> None:
    """A part that lies outside of the block is an IndexError, and no byte of it is looked at."""
    with pytest.raises(IndexError, match="no part of the block"):
        native().take_requests(ASKED, at, end, 0, 0, {})
    with pytest.raises(IndexError, match="no part of the block"):
        native().take_answers(ASKED, at, end, 0, 0, {}, 1, *arrays(), None, PIECES)


@pytest.mark.parametrize("end", range(len(ASKED)))
def test_a_line_that_is_cut_is_not_read_beyond_its_end(end: int) -> None:
    """What stands behind the end completes no line."""
    assert native().take_requests(ASKED, 0, end, 0, 0, {}) == (0, b"", b"", b"")


@pytest.mark.parametrize("end", [0, 1, 40, len(ANSWER) - 1])
def test_an_answer_that_is_cut_is_not_read_beyond_its_end(end: int) -> None:
    """The same of answers."""
    found = native().take_answers(ANSWER, 0, end, 0, 0, {b"r-1": 0}, 1, *arrays(), [None], PIECES)
    assert found == (0, 0)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({5: []}, TypeError, id="positions"),
        pytest.param({5: {b"r-1": 1}}, IndexError, id="a-position-too-far"),
        pytest.param({5: {b"r-1": -1}}, IndexError, id="a-position-below"),
        pytest.param({5: {b"r-1": 1 << 70}}, OverflowError, id="a-position-beyond-c"),
        pytest.param({5: {b"r-1": "0"}}, TypeError, id="a-position-of-another-type"),
        pytest.param({7: b"\0"}, BufferError, id="roles-read-only"),
        pytest.param({8: array("Q", [0, 0])}, ValueError, id="numbers-of-another-length"),
        pytest.param({9: array("I", [0])}, ValueError, id="offsets-of-another-width"),
        pytest.param({10: None}, TypeError, id="sizes"),
        pytest.param({11: ()}, TypeError, id="heads"),
        pytest.param({11: []}, IndexError, id="too-few-heads"),
        pytest.param({12: PIECES[1:]}, TypeError, id="too-few-pieces"),
        pytest.param({12: ["x"] * 8}, TypeError, id="pieces-of-another-type"),
        pytest.param({12: ("x",) * 8}, TypeError, id="pieces-of-text"),
        pytest.param({0: "text"}, TypeError, id="block"),
    ],
)
def test_wrong_arguments(change: dict[int, Any], error: type[Exception]) -> None:
    """Each of them is told by an exception; nothing is written out of place."""
    given = [ANSWER, 0, len(ANSWER), 0, 0, {b"r-1": 0}, 1, *arrays(), [None], PIECES]
    for at, value in change.items():
        given[at] = value
    with pytest.raises(error):
        native().take_answers(*given)


@pytest.mark.parametrize("position", [1, -1, 1 << 40, 1 << 70])
def test_a_position_that_no_array_has(position: int) -> None:
    """It is told, and nothing is written there, whether heads are kept or not."""
    kept: list[bytes | None] = [None] * 9
    for heads in (None, kept):
        with pytest.raises((IndexError, OverflowError)):
            native().take_answers(
                ANSWER, 0, len(ANSWER), 0, 0, {b"r-1": position}, 1, *arrays(), heads, PIECES
            )


def test_an_answer_is_taken_once() -> None:
    """The second answer to a request is left to Python, and so is one that nobody asked for."""
    places, heads = arrays(), list[bytes | None]([None])
    block = ANSWER + ANSWER
    taken = native().take_answers(block, 0, len(block), 0, 0, {b"r-1": 0}, 1, *places, heads, PIECES)
    assert taken == (len(ANSWER), 1)
    assert native().take_answers(block, 0, len(block), 0, 0, {}, 1, *arrays(), None, PIECES) == (0, 0)


def test_a_repeated_request_is_left() -> None:
    """An id that stands there already ends the run in front of it."""
    positions: dict[bytes, int] = {}
    block = ASKED + ASKED
    at, digests, _, _ = native().take_requests(block, 0, len(block), 0, 0, positions)
    assert (at, len(digests), positions) == (len(ASKED), 16, {b"r-1": 0})


def test_nothing_is_kept() -> None:
    """References are given back: ten thousand calls leave as many objects as there were."""
    block, pieces = bytearray(ANSWER), PIECES

    def call() -> None:
        native().take_requests(ASKED, 0, len(ASKED), 0, 0, {})
        native().take_answers(block, 0, len(block), 0, 0, {b"r-1": 0}, 1, *arrays(), [None], pieces)
        native().results_head(ANSWER, pieces)
        native().group_names(["batch_input_7.jsonl", "x", "batch_error_\udcff.jsonl"])
        with pytest.raises(TypeError):
            native().group_names(["x", 7])  # type: ignore[list-item]  # that is the fault

    call()
    gc.collect()
    before = sys.getallocatedblocks(), [sys.getrefcount(each) for each in (pieces, *pieces, ANSWER)]
    for _ in range(1000):
        call()
    gc.collect()
    assert sys.getallocatedblocks() - before[0] < 500
    assert [sys.getrefcount(each) for each in (pieces, *pieces, ANSWER)] == before[1]
    block.append(0)  # a buffer that was still held would forbid it
