"""
No batch settles unless every id of its input has exactly one end.

A law over whole workspaces: a sound triple settles, and a triple with one thing wrong never does.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from reconciler.check import check
from reconciler.executor.asked import EXAMPLES
from reconciler.model.report import BatchReport, State
from tests.workspaces import (
    answered,
    encoded,
    failed,
    files,
    manifest,
    put,
    request,
    results,
    run,
    scratch,
    settings,
)

NAME: Final = "7"


@attrs.define
class Triple:
    """The lines of the three files; what the batch is named in messages by, once something is wrong."""

    input: list[bytes]
    output: list[bytes]
    error: list[bytes]

    def lines(self, role: str) -> list[bytes]:
        """The lines of one file."""
        found: list[bytes] = getattr(self, role)
        return found


@attrs.frozen
class Broken:
    """A triple with one thing wrong, and the words of which the report must say one."""

    triple: Triple
    named: tuple[str, ...]


@st.composite
def sound(draw: st.DrawFn) -> Triple:
    """Every id answered or failed exactly once, in any order, in either file."""
    count = draw(st.integers(1, 5))
    output: list[bytes] = []
    error: list[bytes] = []
    for n in draw(st.permutations(range(count))):
        line = answered(n) if draw(st.booleans()) else failed(n, draw(st.sampled_from((400, 429, 500))))
        (output if draw(st.booleans()) else error).append(encoded(line))
    return Triple([encoded(request(n)) for n in range(count)], output, error)


def id_of(line: bytes) -> str:
    """The id of a line."""
    return str(json.loads(line)["custom_id"])


def drop(data: st.DataObject, triple: Triple) -> Broken:
    """An answer is lost: its id has no end."""
    role = data.draw(st.sampled_from([role for role in ("output", "error") if triple.lines(role)]))
    gone = triple.lines(role).pop(data.draw(st.integers(0, len(triple.lines(role)) - 1)))
    return Broken(triple, (id_of(gone),))


def drop_request(data: st.DataObject, triple: Triple) -> Broken:
    """A request is lost: its answer is to a question that was never asked."""
    assume(len(triple.input) > 1)
    gone = triple.input.pop(data.draw(st.integers(0, len(triple.input) - 1)))
    return Broken(triple, (id_of(gone),))


def duplicate(data: st.DataObject, triple: Triple) -> Broken:
    """A line stands twice in one file."""
    role = data.draw(st.sampled_from([role for role in ("input", "output", "error") if triple.lines(role)]))
    lines = triple.lines(role)
    twice = data.draw(st.sampled_from(lines))
    lines.insert(data.draw(st.integers(0, len(lines))), twice)
    second = len(lines) - lines[::-1].index(twice)
    return Broken(triple, (f'"{id_of(twice)}"', f"batch_{role}_{NAME}.jsonl:{second}"))


def cross(data: st.DataObject, triple: Triple) -> Broken:
    """A line stands in both answer files."""
    here, there = data.draw(st.permutations(("output", "error")))
    assume(triple.lines(here))
    twice = data.draw(st.sampled_from(triple.lines(here)))
    triple.lines(there).append(twice)
    return Broken(triple, (id_of(twice),))


def rename(data: st.DataObject, triple: Triple) -> Broken:
    """An answer bears an id that nobody asked for."""
    role = data.draw(st.sampled_from([role for role in ("output", "error") if triple.lines(role)]))
    lines = triple.lines(role)
    where = data.draw(st.integers(0, len(lines) - 1))
    line = json.loads(lines[where]) | {
        "custom_id": data.draw(st.sampled_from(("q-99", "Q-0", "q-0 ", "q-00")))
    }
    lines[where] = json.dumps(line).encode()
    return Broken(triple, (str(line["custom_id"]),))


def cut(data: st.DataObject, triple: Triple) -> Broken:
    """The last byte of a line is gone, which no JSON object survives."""
    role = data.draw(st.sampled_from([role for role in ("input", "output", "error") if triple.lines(role)]))
    lines = triple.lines(role)
    where = data.draw(st.integers(0, len(lines) - 1))
    lines[where] = lines[where][:-1]
    return Broken(triple, (f"batch_{role}_{NAME}.jsonl:{where + 1}",))


def garbage(data: st.DataObject, triple: Triple) -> Broken:
    """A line that nobody could have written."""
    role = data.draw(st.sampled_from([role for role in ("input", "output", "error") if triple.lines(role)]))
    lines = triple.lines(role)
    where = data.draw(st.integers(0, len(lines)))
    junk = (b"{}", b"[]", b"null", b"<html>", b"\xff\xfe", b"\x00", b'{"custom_id": "q-0"}', b'"', b"NaN")
    lines.insert(where, data.draw(st.sampled_from(junk)))
    return Broken(triple, (f"batch_{role}_{NAME}.jsonl:{where + 1}",))


MUTATIONS: Final = (drop, drop_request, duplicate, cross, rename, cut, garbage)


def place(root: Path, triple: Triple) -> dict[str, bytes]:
    """Write the triple, without answer files that would be empty."""
    answers: dict[str, Any] = {role: triple.lines(role) for role in ("output", "error") if triple.lines(role)}
    return put(root, NAME, input=triple.input, **answers)


def pass_over(
    triple: Triple, provider: str = "none"
) -> tuple[BatchReport, int, dict[str, bytes], dict[str, bytes]]:
    """One pass over a fresh workspace: the batch's report, the exit code, what was written, what is there."""
    with scratch() as folder:
        root = folder / "w"
        written = place(root, triple)
        report = run(root, provider=provider)
        assert check(str(root), settings()).findings == []
        return report.batches[0], report.exit_code, written, files(root)


@given(data=st.data())
@effort(max_examples=40)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=[each.__name__ for each in MUTATIONS])
def test_one_thing_wrong_and_it_never_settles(
    mutation: Callable[[st.DataObject, Triple], Broken], data: st.DataObject
) -> None:
    """One line wrong: not in done/, exit 3, the line or id is named, and every byte is still there."""
    broken = mutation(data, data.draw(sound()))
    assume(broken.triple.output or broken.triple.error)
    provider = data.draw(st.sampled_from(("none", "openai")))
    report, code, written, there = pass_over(broken.triple, provider=provider)
    assert not [path for path in there if path.startswith("done/")]
    assert report.state is State.ATTENTION
    assert code == 3
    assert any(word in report.because for word in broken.named), (report.because, broken.named)
    for role, data_ in written.items():
        kept = [found for path, found in there.items() if path.endswith(f"/batch_{role}_{NAME}.jsonl")]
        assert kept == [data_]


@given(triple=sound())
@effort(max_examples=60)
def test_sound_and_it_settles(triple: Triple) -> None:
    """Every id once: it settles, whatever the order and whichever file, with results in input order."""
    with scratch() as folder:
        root = folder / "w"
        written = place(root, triple)
        assert run(root).exit_code == 0
        assert {f"done/7/batch_{role}_{NAME}.jsonl": data for role, data in written.items()}.items() <= files(
            root
        ).items()
        rows = results(root, NAME)
        assert [row["custom_id"] for row in rows] == [id_of(line) for line in triple.input]
        by_id = {id_of(line): json.loads(line) for line in triple.output + triple.error}
        for row in rows:
            good = by_id[row["custom_id"]]["response"]["status_code"] == 200
            assert row["outcome"] == ("answered" if good else "failed")
        coverage = manifest(root, NAME)["coverage"]
        assert coverage["answered"]["requests"] == sum(row["outcome"] == "answered" for row in rows)
        assert coverage["failed"]["requests"] == sum(row["outcome"] == "failed" for row in rows)
        assert check(str(root), settings()).findings == []


@given(triple=sound(), data=st.data())
@effort(max_examples=40)
def test_answers_may_stand_in_any_order(triple: Triple, data: st.DataObject) -> None:
    """Two answers that change places say the same: the results are equal, byte for byte."""
    first, _, _, there = pass_over(triple)
    moved = list(data.draw(st.permutations(triple.output + triple.error)))
    cut_at = data.draw(st.integers(0, len(moved)))
    second, _, _, then = pass_over(Triple(triple.input, moved[:cut_at], moved[cut_at:]))
    assert first.state is second.state is State.SETTLED
    assert then["target/7.results.jsonl"] == there["target/7.results.jsonl"]


@pytest.mark.parametrize("role", ["input", "output"])
def test_of_very_many_findings_a_few_are_named(role: str, tmp_path: Path) -> None:
    """However much is wrong, all of it is counted where answers are meant, and a few lines are shown."""
    root = tmp_path / "w"
    lines = [request(0)] * (3 * EXAMPLES) if role == "input" else [request(0)]
    put(root, NAME, input=lines, output=[answered(0), *(answered(n + 1) for n in range(3 * EXAMPLES))])
    because = run(root).batches[0].because
    assert 0 < because.count(f"batch_{role}_{NAME}.jsonl:") <= EXAMPLES
    assert role == "input" or str(3 * EXAMPLES) in because


@pytest.mark.parametrize("role", ["input", "output"])
def test_a_line_over_the_limit_is_named(role: str, tmp_path: Path) -> None:
    """A line that is longer than any may be is told with its place, and its batch does not settle."""
    root = tmp_path / "w"
    long = {**(request(1) if role == "input" else answered(1)), "more": "x" * 5000}
    put(
        root,
        NAME,
        input=[request(0), long if role == "input" else request(1)],
        output=[answered(0), long if role == "output" else answered(1)],
    )
    found = run(root, line_bytes=4096).batches[0]
    assert found.state is State.ATTENTION
    assert f"batch_{role}_{NAME}.jsonl:2" in found.because
