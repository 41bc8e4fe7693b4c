"""Making inputs of a file of ready request lines: bytes stay, nothing is half there or paid for twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import Report, Workspace, reconcile
from reconciler.errors import BadLine, Clash, Interrupted, NeedsPerson, StaleSnapshot, UsageError
from reconciler.executor.context import View
from reconciler.executor.splitting import cut, write_parts
from reconciler.model.coverage import FileDigest
from reconciler.model.remote import Limits
from reconciler.model.shares import Shares
from reconciler.session import Options
from reconciler.splitting import Asked, Split, split_into_folder, split_into_workspace
from reconciler.workspace.layout import Layout
from reconciler.workspace.reading import Reading
from tests.workspace.faults import Crash, Trip
from tests.workspaces import answered, encoded, jsonl, ledger, leftovers, put, request, run, scratch, settings


@pytest.fixture
def place() -> Iterator[Path]:
    """A place for a file and a workspace, in memory."""
    with scratch() as folder:
        (folder / "ws" / "workdir").mkdir(parents=True)
        yield folder


def source(place: Path, count: int = 10, first: int = 0) -> Path:
    """A file of so many requests."""
    path = place / "reqs.jsonl"
    path.write_bytes(jsonl(request(n) for n in range(first, first + count)))
    return path


def into(place: Path, path: Path, shares: Shares, *, tap: Any = None, **more: Any) -> Split:
    """Split into the workspace."""
    asked = Asked(shares, **more)
    return split_into_workspace(str(path), str(place / "ws"), settings(), asked, Options(tap=tap))


def settle(root: Path) -> Report:
    """One pass that answers on this machine."""
    return reconcile(root, provider="local", settings={"policy.settle_seconds": 0}, environment=False)


def inputs(folder: Path) -> dict[str, bytes]:
    """The inputs in a folder, by their names, in order."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("batch_input_*"))}


# --- the cuts -----------------------------------------------------------------------------------------------

fillers = st.lists(st.sampled_from([b"\n", b"  \n", b"\r\n"]), max_size=2).map(b"".join)
ends = st.sampled_from([b"\n", b"\r\n", b" \n"])
shares_of = st.one_of(
    st.integers(1, 12).map(lambda n: Shares(batch_size=n)),
    st.integers(1, 12).map(lambda n: Shares(segments=n)),
)


@given(
    pieces=st.lists(st.tuples(st.integers(0, 300), ends, fillers), min_size=1, max_size=20),
    head=st.sampled_from([b"", b"\xef\xbb\xbf", b"\n\n"]),
    torn=st.booleans(),
    shares=shares_of,
    size=st.sampled_from([1 << 40, 700, 1400]),
)
def test_the_parts_put_together_are_the_file(
    pieces: list[tuple[int, bytes, bytes]], head: bytes, *, torn: bool, shares: Shares, size: int
) -> None:
    """Whatever stands between lines, the parts are the file, each holds what it says, within the limits."""
    lines = [
        encoded(request(n) | {"pad": "x" * pad}) + end + filler for n, (pad, end, filler) in enumerate(pieces)
    ]
    data = head + b"".join(lines)
    data = data.rstrip(b"\r\n ") if torn else data
    with scratch() as folder:
        (folder / "f").write_bytes(data)
        look = Reading(str(folder))
        view = View(look=look, layout=Layout(str(folder), ""))
        fact = look.fact("f")
        assert fact is not None
        written: list[bytes] = []

        def write(_number: int, chunks: Iterator[bytes]) -> FileDigest:
            written.append(b"".join(chunks))
            return FileDigest("", 0)

        try:
            cuts = cut(view, fact, shares, Limits(None, size))
            write_parts(view, cuts, write)
        except UsageError:
            large = max(map(len, lines)) * -(-len(lines) // (shares.segments or 1))
            assert shares.segments is not None
            assert shares.segments > len(lines) or large + len(head) > size
            return
        finally:
            look.close()
    assert b"".join(written) == data
    counted = [sum(b"custom_id" in line for line in part.split(b"\n")) for part in written]
    assert counted == [part.requests for part in cuts.parts]
    assert sum(counted) == len(lines)
    if size == 1 << 40:
        assert counted == shares.of(len(lines))
    assert all(len(part) <= size or requests == 1 for part, requests in zip(written, counted, strict=True))


def test_limits_of_a_provider_end_a_batch_early(place: Path) -> None:
    """By size, a batch ends where the provider's number of requests or bytes would be exceeded."""
    path = source(place)
    length = len(path.read_bytes()) // 10
    look = Reading(str(place))
    fact = look.fact("reqs.jsonl")
    view = View(look=look, layout=Layout(str(place), ""))
    assert fact is not None

    by_bytes = cut(view, fact, Shares(batch_size=9), Limits(None, 4 * length))
    by_count = cut(view, fact, Shares(), Limits(3, 1 << 30))

    assert [part.requests for part in by_bytes.parts] == [4, 4, 2]
    assert [part.requests for part in by_count.parts] == [3, 3, 3, 1]
    halves = [part.size for part in cut(view, fact, Shares(segments=2)).parts]
    just = cut(view, fact, Shares(segments=2), Limits(5, max(halves)))
    assert [part.size for part in just.parts] == halves
    with pytest.raises(UsageError, match="a segment of"):
        cut(view, fact, Shares(segments=2), Limits(5, max(halves) - 1))
    with pytest.raises(UsageError, match="the provider takes 4 requests and"):
        cut(view, fact, Shares(segments=2), Limits(4, 1 << 30))
    with pytest.raises(BadLine, match=r"reqs.jsonl:1: a line of \d+ bytes"):
        cut(view, fact, Shares(), Limits(None, length - 1))
    assert [part.requests for part in cut(view, fact, Shares(), Limits(None, length)).parts] == [1] * 10
    look.close()


# --- into a workspace ---------------------------------------------------------------------------------------


def test_inputs_in_the_live_folder(place: Path) -> None:
    """Named after the file and counted, so that they sort; a pass then takes them as any input."""
    path = source(place, 11)

    found = into(place, path, Shares(segments=3))

    assert [(each.name, each.requests, each.made) for each in found.batches] == [
        ("reqs_01", 4, True),
        ("reqs_02", 4, True),
        ("reqs_03", 3, True),
    ]
    assert b"".join(inputs(place / "ws/workdir").values()) == path.read_bytes()
    assert path.exists()
    report = settle(place / "ws")
    assert [batch.state.value for batch in report.batches] == ["settled"] * 3


def test_the_same_split_again_changes_nothing(place: Path) -> None:
    """Live or settled, an input that is there is not made again."""
    path = source(place)
    into(place, path, Shares(batch_size=4))
    for _ in range(2):
        found = into(place, path, Shares(batch_size=4))

        assert [each.made for each in found.batches] == [False] * 3
        assert len([each for each in ledger(place / "ws") if each["event"] == "file.split"]) == 1
        settle(place / "ws")
    assert inputs(place / "ws/workdir") == {}


def test_another_split_of_the_same_file_is_refused(place: Path) -> None:
    """The same requests in other batches would be paid for twice; only --again makes them."""
    path = source(place)
    into(place, path, Shares(batch_size=4))
    before = inputs(place / "ws/workdir")

    for shares, name in ((Shares(batch_size=5), "other"), (Shares(segments=3), "other"), (Shares(), "one")):
        with pytest.raises(NeedsPerson, match="split here before"):
            into(place, path, shares, name=name, provider="openai")
    assert inputs(place / "ws/workdir") == before

    assert len(into(place, path, Shares(batch_size=5), name="other", again=True).batches) == 2


def test_a_file_that_was_sent_whole_is_not_split(place: Path) -> None:
    """What is an input of this workspace already, and was answered, is refused."""
    path = source(place)
    (place / "ws/workdir/batch_input_1.jsonl").write_bytes(path.read_bytes())
    settle(place / "ws")

    with pytest.raises(NeedsPerson, match="sent before, as batch 1"):
        into(place, path, Shares(batch_size=5))


def test_nothing_is_clobbered_and_nothing_is_made(place: Path) -> None:
    """One name that is taken, by a batch here, settled or alike but for case, refuses all of them."""
    path = source(place)
    taken = place / "ws/workdir/batch_input_REQS_02.jsonl"
    taken.write_bytes(jsonl([request(99)]))

    with pytest.raises(Clash, match="reqs_02"):
        into(place, path, Shares(batch_size=4))

    assert list(inputs(place / "ws/workdir")) == ["batch_input_REQS_02.jsonl"]
    assert (leftovers(place / "ws"), ledger(place / "ws")) == ([], [])


def lines_with(at: int, line: bytes) -> bytes:
    """Six good lines, and this one in their midst."""
    lines = [encoded(request(n)) for n in range(6)]
    lines.insert(at - 1, line)
    return b"\n".join(lines) + b"\n"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (lines_with(3, b"{"), "reqs.jsonl:3: "),
        (lines_with(4, encoded(request(1))), "reqs.jsonl:4: its custom_id stands on an earlier line too"),
        (lines_with(5, b'{"custom_id":"x"}'), "reqs.jsonl:5: no request"),
        (lines_with(2, b'{"custom_id":"x","params":{}}'), "reqs.jsonl:2: a line in the shape of anthropic"),
        (
            lines_with(7, encoded(request(9) | {"url": "/v1/embeddings"})),
            "reqs.jsonl:7: its url is /v1/embeddings",
        ),
        (b"", "reqs.jsonl: there is no request in it"),
        (b"\n \n", "reqs.jsonl: there is no request in it"),
    ],
)
def test_what_a_pass_would_refuse_is_refused_with_its_line(place: Path, data: bytes, told: str) -> None:
    """A line that cannot be sent, wherever it stands, refuses the whole file, and nothing is made."""
    path = place / "reqs.jsonl"
    path.write_bytes(data)

    with pytest.raises(BadLine) as caught:
        into(place, path, Shares(batch_size=2))

    assert told in caught.value.message
    assert inputs(place / "ws/workdir") == {}


def test_a_crash_before_any_effect_is_mended_by_doing_it_again(place: Path) -> None:
    """Stopped anywhere, what is there is whole; a pass in between settles it, and the rest is made once."""
    path = source(place)
    trip = Trip()
    into(place, path, Shares(batch_size=4), tap=trip)
    wanted = inputs(place / "ws/workdir")
    assert len(trip.seen) > 15
    for point in range(1, len(trip.seen) + 1):
        for between in (False, True):
            with scratch() as folder:
                (folder / "ws/workdir").mkdir(parents=True)
                with pytest.raises(Crash):
                    into(folder, path, Shares(batch_size=4), tap=Trip(point))
                there = inputs(folder / "ws/workdir")
                assert there.items() <= wanted.items(), trip.seen[point - 1]
                if between:
                    settle(folder / "ws")

                into(folder, path, Shares(batch_size=4))

                found = inputs(folder / "ws/workdir")
                assert found == (
                    {each: data for each, data in wanted.items() if each not in there} if between else wanted
                ), trip.seen[point - 1]
                assert leftovers(folder / "ws") == []
                assert len([each for each in ledger(folder / "ws") if each["event"] == "file.split"]) == 1


# --- into a folder ------------------------------------------------------------------------------------------


def test_into_any_folder(place: Path) -> None:
    """A folder is made if need be; the same again changes nothing, other bytes are not overwritten."""
    path = source(place)
    out = place / "new"
    asked = Asked(Shares(segments=2), name="p")

    first = split_into_folder(str(path), str(out), settings(), asked)
    again = split_into_folder(str(path), str(out), settings(), asked)

    assert [each.made for each in (*first.batches, *again.batches)] == [True, True, False, False]
    assert b"".join(inputs(out).values()) == path.read_bytes()
    source(place, 10, first=50)
    with pytest.raises(Clash, match="nothing was made"):
        split_into_folder(str(path), str(out), settings(), asked)
    assert [item.name for item in sorted(out.iterdir())] == [
        "batch_input_p_01.jsonl",
        "batch_input_p_02.jsonl",
    ]


@pytest.mark.parametrize("folder", ["ws", "ws/workdir"])
def test_a_folder_of_a_workspace_is_refused(place: Path, folder: str) -> None:
    """A pass may be at work there: --into takes its lock."""
    settle(place / "ws")

    with pytest.raises(UsageError, match="belongs to the workspace") as caught:
        split_into_folder(str(source(place)), str(place / folder), settings(), Asked(Shares(segments=2)))

    assert caught.value.hint == f"--into {place / 'ws'}"


@pytest.mark.parametrize("name", ["../x", "a b", ".hidden", "x" * 81, "x/y"])
def test_a_prefix_that_begins_no_name_is_refused(place: Path, name: str) -> None:
    """Nothing of a name can lead out of the folder."""
    with pytest.raises(UsageError, match="cannot begin the name"):
        into(place, source(place), Shares(segments=2), name=name)


def test_from_python(place: Path) -> None:
    """`Workspace.split` does the same."""
    path = source(place)

    found = Workspace.open(place / "ws").split(path, batch_size=6, name="py")

    assert [each.name for each in found.batches] == ["py_01", "py_02"]
    assert json.loads((place / "ws/workdir/batch_input_py_02.jsonl").read_text().splitlines()[0]) == request(
        6
    )


@pytest.mark.parametrize("count", [2.5, "2", 2.0])
def test_a_number_of_requests_is_a_whole_one(place: Path, count: Any) -> None:
    """Half a request makes no batch, and no other number of batches than was meant."""
    for choice in ("batch_size", "segments"):
        with pytest.raises(UsageError, match="has to be a whole number"):
            Workspace.open(place / "ws").split(source(place), **{choice: count})
    assert list((place / "ws" / "workdir").iterdir()) == []


# --- what happens to the file meanwhile ---------------------------------------------------------------------


def _longer(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(jsonl([request(99)]))


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _changed_in_silence(path: Path) -> None:
    seen = path.stat()
    path.write_bytes(path.read_bytes().replace(b"question 9", b"question X"))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


@pytest.mark.parametrize("change", [_longer, _emptied, _changed_in_silence])
def test_a_file_that_changes_while_it_is_copied_makes_nothing(
    place: Path, change: Callable[[Path], None]
) -> None:
    """No part of what was looked at is left, nor of what it became; the same again takes what is there."""
    path = source(place)

    def tap(_change: str, at: str) -> None:
        if "batch_input_reqs_01" in at and not changed:
            changed.append(at)
            change(path)

    changed: list[str] = []
    with pytest.raises(StaleSnapshot, match=r"reqs\.jsonl was written to while it was read"):
        into(place, path, Shares(batch_size=4), tap=tap)
    assert changed
    assert (inputs(place / "ws/workdir"), leftovers(place / "ws"), ledger(place / "ws")) == ({}, [], [])

    source(place)
    assert into(place, path, Shares(batch_size=4)).requests == 10


def test_an_end_that_is_asked_for_while_copying_makes_nothing(place: Path) -> None:
    """Between two blocks it is obeyed; no input is there, not even one that was whole already."""
    path = source(place)
    trip = Trip()
    halted = Options(tap=trip, stopping=lambda: any("batch_input_reqs_02" in at for _, at in trip.seen))

    with pytest.raises(Interrupted, match="stopped while copying; nothing was published"):
        split_into_workspace(str(path), str(place / "ws"), settings(), Asked(Shares(batch_size=4)), halted)

    assert (inputs(place / "ws/workdir"), leftovers(place / "ws"), ledger(place / "ws")) == ({}, [], [])


def test_a_name_in_quarantine_is_taken(place: Path) -> None:
    """What was set aside under a name may come back: the name is not given to anything else."""
    put(place / "ws", "reqs_02", input=[request(50)], output=[answered(50), answered(50)])
    run(place / "ws")
    assert (place / "ws/quarantine/reqs_02.1").is_dir()

    with pytest.raises(Clash, match=r"reqs_02 \(quarantine/reqs_02\.1\); nothing was made") as caught:
        into(place, source(place), Shares(batch_size=4))

    assert caught.value.hint == "give them another --name"
    assert inputs(place / "ws/workdir") == {}
