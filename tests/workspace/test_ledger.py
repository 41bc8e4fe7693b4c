"""The history: lines are added, never changed, and a line that cannot be trusted says so."""

import itertools
import os
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.workspace import ledger
from reconciler.workspace.effects import Effects
from reconciler.workspace.ledger import PATH, Entry, History, append, append_once, entries
from reconciler.workspace.reading import Reading
from tests.workspace.faults import Trip


@pytest.fixture
def fx(tmp_path: Path) -> Iterator[Effects]:
    """The room, on an empty folder, with a clock that moves on by an hour with each look."""
    room = Effects(str(tmp_path), clock=partial(next, itertools.count(4600.0, 3600.0)))
    yield room
    room.close()


def seen(root: Path) -> list[Entry]:
    """Every entry."""
    look = Reading(str(root))
    try:
        return list(entries(look))
    finally:
        look.close()


def facts(entry: Entry) -> dict[str, object]:
    """What a line says, without its time and checksum."""
    return {key: value for key, value in entry.fields.items() if key not in ("at", "crc")}


def test_lines_of_several_processes_stay_whole(tmp_path: Path) -> None:
    """Processes that add lines at the same time lose none, tear none and take none for torn."""
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            room = Effects(str(tmp_path))
            for line in range(50):
                append(room, "batch.settled", str(number), line=line)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    found = seen(tmp_path)
    assert [each.problem for each in found] == [None] * 200
    for number in range(4):
        assert [each.fields["line"] for each in found if each.fields["batch"] == str(number)] == [*range(50)]


def test_no_history_yet(tmp_path: Path) -> None:
    """A workspace without a ledger has no history; asking for it makes none."""
    assert seen(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_lines_come_back_in_order(fx: Effects, tmp_path: Path) -> None:
    """What was written is read again, first to last, with line numbers and times."""
    append(fx, "batch.submitted", "7", input="ab", requests=3)
    append(fx, "batch.settled", "7.r1", counts={"answered": 1})
    first, second = seen(tmp_path)
    assert (first.number, first.event, first.problem) == (1, "batch.submitted", None)
    assert facts(first) == {"event": "batch.submitted", "batch": "7", "input": "ab", "requests": 3}
    assert first.fields["at"] == 4600
    assert (second.number, second.event, second.problem) == (2, "batch.settled", None)
    assert facts(second)["counts"] == {"answered": 1}


def test_a_line_is_one_line_and_what_was_there_stays(fx: Effects, tmp_path: Path) -> None:
    """Every entry takes exactly one line, whatever its text holds, and adding one changes no other."""
    append(fx, "batch.quarantined", "7", why='two\nlines, a \u2028 and ","crc":"00000000"}')
    before = (tmp_path / PATH).read_bytes()
    append(fx, "batch.settled", "7")
    after = (tmp_path / PATH).read_bytes()
    assert after.startswith(before)
    assert (before.count(b"\n"), after.count(b"\n")) == (1, 2)
    assert [entry.problem for entry in seen(tmp_path)] == [None, None]


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["input", "crc", "why", "x", "at"]),
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    )
)
def test_any_facts_come_back(
    tmp_path_factory: pytest.TempPathFactory, given_facts: dict[str, object]
) -> None:
    """Whatever the facts are, the line is trusted and says them, a fact named like the checksum included."""
    root = tmp_path_factory.mktemp("ledger")
    fx = Effects(str(root))
    append(fx, "batch.noted", "7", **given_facts)
    fx.close()
    (entry,) = seen(root)
    assert entry.problem is None
    assert facts(entry) == {
        "event": "batch.noted",
        "batch": "7",
        **{key: value for key, value in given_facts.items() if key not in ("at", "crc")},
    }


def test_a_torn_tail_is_reported_and_mended(fx: Effects, tmp_path: Path) -> None:
    """Cut anywhere, the last line is skipped and reported, the others stand, and the next append is whole."""
    append(fx, "batch.submitted", "7")
    first = (tmp_path / PATH).read_bytes()
    append(fx, "batch.submitted", "8")
    both = (tmp_path / PATH).read_bytes()
    for size in range(len(first) + 1, len(both) - 1):
        (tmp_path / PATH).write_bytes(both[:size])
        whole, torn = seen(tmp_path)
        assert (whole.event, whole.problem) == ("batch.submitted", None)
        assert (torn.number, torn.event, torn.fields) == (2, "", {})
        assert torn.problem is not None
        assert "torn" in torn.problem
        append(fx, "batch.settled", "7")
        after = seen(tmp_path)
        assert [entry.number for entry in after] == [1, 2, 3]
        assert (after[0].problem, after[2].event, after[2].problem) == (None, "batch.settled", None)
        assert after[1].problem is not None or size == len(both) - 1


def test_a_line_of_which_one_byte_is_there(fx: Effects, tmp_path: Path) -> None:
    """However short a torn line is, the next one begins behind it."""
    (tmp_path / PATH).parent.mkdir()
    (tmp_path / PATH).write_bytes(b"{")
    append(fx, "batch.settled", "7")
    torn, whole = seen(tmp_path)
    assert (torn.number, torn.problem is None, whole.number, whole.problem) == (1, False, 2, None)


def test_every_flipped_bit_is_noticed(fx: Effects, tmp_path: Path) -> None:
    """No single bit of the file can change without a line being reported, and no line changes its meaning."""
    append(fx, "batch.submitted", "7", input="ab")
    append(fx, "batch.settled", "7")
    whole = (tmp_path / PATH).read_bytes()
    good = [facts(entry) for entry in seen(tmp_path)]
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / PATH).write_bytes(flipped)
        found = seen(tmp_path)
        assert [entry for entry in found if entry.problem], f"bit {bit} was not noticed"
        assert all(facts(entry) in good for entry in found if entry.problem is None)
        assert all(entry.fields == {} for entry in found if entry.problem is not None)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"{}", id="no-fields"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"event":"batch.submitted","batch":"7"}', id="no-checksum"),
        pytest.param(b'{"event":"batch.submitted","crc":"00000000"}', id="wrong-checksum"),
        pytest.param(b"\xff\xfe\x00", id="no-text"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_a_foreign_line_is_not_trusted(fx: Effects, tmp_path: Path, line: bytes) -> None:
    """A line that somebody else wrote says nothing; the lines around it stand."""
    append(fx, "batch.submitted", "7")
    with (tmp_path / PATH).open("ab") as file:
        file.write(line + b"\n\n")
    append(fx, "batch.settled", "7")
    found = seen(tmp_path)
    assert [(entry.number, entry.problem is None) for entry in found] == [(1, True), (2, False), (4, True)]
    assert (found[1].event, found[1].fields) == ("", {})


def test_once_is_once_though_the_clock_moves(fx: Effects, tmp_path: Path) -> None:
    """A step that is done again after a crash adds its line only if history does not hold it yet."""
    for _ in range(3):
        append_once(fx, History(), "batch.settled", "7", input=None, requests=3, names=("a", "b"))
    assert [entry.fields["at"] for entry in seen(tmp_path)] == [4600]


def test_once_adds_what_is_new(fx: Effects, tmp_path: Path) -> None:
    """Another event, another batch or another fact is another line."""
    append_once(fx, History(), "batch.settled", "7", requests=3)
    append_once(fx, History(), "batch.settled", "7", requests=4)
    append_once(fx, History(), "batch.settled", "8", requests=3)
    append_once(fx, History(), "batch.retried", "7", requests=3)
    append_once(fx, History(), "batch.settled", "7")
    assert len(seen(tmp_path)) == 5


def test_once_after_a_torn_line(fx: Effects, tmp_path: Path) -> None:
    """A line that was torn does not count as history: the step writes it again, whole."""
    append(fx, "batch.settled", "7", requests=3)
    whole = (tmp_path / PATH).read_bytes()
    (tmp_path / PATH).write_bytes(whole[: len(whole) // 2])
    append_once(fx, History(), "batch.settled", "7", requests=3)
    torn, again = seen(tmp_path)
    assert torn.problem is not None
    assert facts(again) == {"event": "batch.settled", "batch": "7", "requests": 3}


def test_once_after_a_line_that_lacks_its_end(fx: Effects, tmp_path: Path) -> None:
    """A line whose write was cut off just before its line feed does not end up in history twice."""
    append(fx, "batch.settled", "7", requests=3)
    (tmp_path / PATH).write_bytes((tmp_path / PATH).read_bytes()[:-1])
    append_once(fx, History(), "batch.settled", "7", requests=3)
    assert len([entry for entry in seen(tmp_path) if entry.problem is None]) == 1


def test_once_writes_nothing_the_second_time(fx: Effects, tmp_path: Path) -> None:
    """Where history holds the line already, not even a time of the file changes."""
    append_once(fx, History(), "batch.settled", "7")
    trip = Trip()
    again = Effects(str(tmp_path), trip)
    append_once(again, History(), "batch.settled", "7")
    again.close()
    assert trip.seen == []


def test_the_path_is_part_of_the_format() -> None:
    """Where history lies is public."""
    assert ledger.PATH == ".reconciler/ledger.jsonl"


class Counted:
    """A stream whose lines are counted."""

    def __init__(self, stream: BinaryIO, read: list[int]) -> None:
        self._stream, self._read = stream, read
        self.seek, self.read = stream.seek, stream.read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[bytes]:
        for line in self._stream:
            self._read.append(len(line))
            yield line


class Counting(Effects):
    """The room, which notes the length of each line that is read."""

    def __init__(self, root: str, read: list[int]) -> None:
        super().__init__(root)
        self._read = read

    def open(self, path: str, on_block: Any = None) -> Any:
        """A counted stream."""
        return Counted(super().open(path, on_block), self._read)


def test_history_reads_what_is_new(fx: Effects, tmp_path: Path) -> None:
    """What is asked of history again costs the new lines alone; it answers as if it had read them all."""
    history, read = History(), list[int]()
    look = Counting(str(tmp_path), read)
    for number in range(2_000):
        append(fx, "batch.creating", str(number), input=f"digest {number}")
    size = (tmp_path / PATH).stat().st_size
    assert history.payers(look, "digest 7") == ("7",)
    assert sum(read) == size
    for number in range(3):
        append_once(look, history, "batch.settled", f"new {number}", input="digest 7")
        append_once(look, history, "batch.settled", f"new {number}", input="digest 7")
    append(fx, "batch.cancelled", "another", input="digest 7")
    assert history.payers(look, "digest 7") == ("7", "new 0", "new 1", "new 2")
    assert history.payers(look, "digest of nobody") == ()
    assert len(seen(tmp_path)) == 2_004
    assert sum(read) < size + 10_000
    look.close()


def test_history_of_a_ledger_that_was_replaced(fx: Effects, tmp_path: Path) -> None:
    """A ledger that is shorter than it was is read anew; one that is gone holds nothing new."""
    history = History()
    append(fx, "batch.begun", "7", input="a")
    append(fx, "batch.begun", "8", input="b")
    assert history.payers(fx, "b") == ("8",)
    whole = (tmp_path / PATH).read_bytes()
    (tmp_path / PATH).write_bytes(whole[: whole.index(b"\n") + 1])
    assert history.payers(fx, "b") == ()
    assert history.payers(fx, "a") == ("7",)
    (tmp_path / PATH).unlink()
    assert history.payers(fx, "a") == ("7",)


def test_a_line_nested_to_the_end_of_the_stack_hides_nothing(fx: Effects, tmp_path: Path) -> None:
    """However deep a foreign line with a right checksum is, who has paid before and after it is known."""
    for depth in (500, *range(940, 1000)):
        append(fx, "batch.begun", str(depth), input="ab")
        for foreign in (b'"batch":"x","a":%b', b'"batch":%b'):
            deep = foreign % (b'{"a":' * depth + b"1" + b"}" * depth)
            body = b'{"event":"batch.begun","input":"ab",%b}' % deep
            with (tmp_path / PATH).open("ab") as ledger_file:
                ledger_file.write(body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body))
    append(fx, "batch.begun", "last", input="ab")
    assert History().payers(fx, "ab") == ("500", *map(str, range(940, 1000)), "last")
    assert {each.problem for each in entries(fx)} == {None, "the line is nested too deeply"}


def test_a_line_may_be_nested_as_deep_as_any_document_of_ours(fx: Effects, tmp_path: Path) -> None:
    """A hundred levels are read, wherever the stack ends; of one level more the line is not believed."""
    (tmp_path / PATH).parent.mkdir()
    for depth in (99, 100):
        body = b'{"event":"batch.begun","batch":"x","a":%b}' % (b'{"a":' * depth + b"1" + b"}" * depth)
        with (tmp_path / PATH).open("ab") as ledger_file:
            ledger_file.write(body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body))
    assert [each.problem for each in entries(fx)] == [None, "the line is nested too deeply"]


def test_what_is_new_since_a_place(fx: Effects, tmp_path: Path) -> None:
    """Whole lines from there on, blank ones left out; a line is read once, when it has its end."""
    assert ledger.since(fx, 0) == ([], 0)
    append(fx, "batch.begun", "7")
    _, first = ledger.since(fx, 0)
    with (tmp_path / PATH).open("ab") as history:
        history.write(b"   \n\n")
    append(fx, "batch.settled", "7")
    whole = (tmp_path / PATH).read_bytes()
    with (tmp_path / PATH).open("ab") as history:
        history.write(b'{"event":"batch.cre')
    found, end = ledger.since(fx, first)
    assert [(each.event, each.problem) for each in found] == [("batch.settled", None)]
    assert end == len(whole)
    assert ledger.since(fx, end) == ([], end)
    (tmp_path / PATH).write_bytes(whole + whole[:first])
    assert [each.event for each in ledger.since(fx, end)[0]] == ["batch.begun"]


def test_nothing_is_new_in_another_history(fx: Effects, tmp_path: Path) -> None:
    """A ledger that is shorter than what was read of it is another one: what it holds is not told as new."""
    append(fx, "batch.begun", "7")
    append(fx, "batch.settled", "7")
    _, end = ledger.since(fx, 0)
    (tmp_path / PATH).unlink()
    append(fx, "batch.settled", "8")
    assert ledger.since(fx, end) == ([], (tmp_path / PATH).stat().st_size)
