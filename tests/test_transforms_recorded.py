"""
What is written down of a changed request, before it is sent and for good; and what `check` makes of it.

Each test makes real passes over a real workspace with a function plugged in.
"""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import decide
from reconciler.check import check
from reconciler.errors import TransientError
from reconciler.explaining import explain
from reconciler.model.changes import line_digest
from reconciler.model.life import Change
from reconciler.model.report import State
from reconciler.model.rows import Standing
from tests.changing import (
    SHORT,
    Noting,
    changing,
    child_lines,
    content,
    put_long,
    shorten,
)
from tests.plugging import Plugs, sound
from tests.workspace.faults import Crash, Trip
from tests.workspaces import (
    answered,
    failed,
    ledger,
    live,
    manifest,
    put,
    record,
    request,
    scratch,
    settings,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def test_what_was_changed_is_recorded(root: Path) -> None:
    """The manifest, history and `explain` say that the second attempt was sent changed, and by what."""
    put_long(root, 1)
    changing(shorten).run(root, provider="openai")
    before = line_digest(json.dumps(request(1)).encode())
    after = line_digest((live(root) / "batch_input_1.r1.jsonl").read_bytes().rstrip(b"\n"))
    put(root, "1.r1", output=[answered(1)])
    changing(shorten).run(root, provider="openai")
    changed = manifest(root, "1")["children"]["1.r1"]["changed"]
    assert (changed["requests"], changed["by"]) == (1, {"over-length": "tests:change/1"})
    (told,) = [line for line in ledger(root) if line["event"] == "batch.retried"]
    assert (told["child"], told["changed"], told["by"]) == ("1.r1", 1, ["tests:change/1"])
    (life,) = explain(str(root), settings(), "q-1").lives
    first, second = life.attempts
    assert first.changed is None
    assert second.changed == Change("tests:change/1", before, after)
    assert life.outcome is Standing.ANSWERED
    (other,) = explain(str(root), settings(), "q-0").lives
    assert other.attempts[0].changed is None


def test_what_is_left_once_the_lines_are_removed(root: Path) -> None:
    """After `[retain]` has removed both inputs, `explain` still tells who changed the request."""
    put_long(root, 1)
    changing(shorten).run(root, provider="openai", jsonl="remove")
    put(root, "1.r1", output=[answered(1)])
    changing(shorten).run(root, provider="openai", jsonl="remove")
    assert not (root / "done/1/batch_input_1.jsonl").exists()
    assert not (root / "done/1.r1/batch_input_1.r1.jsonl").exists()
    sound(root)
    (life,) = explain(str(root), settings(), "q-1").lives
    assert [each.changed for each in life.attempts] == [None, Change("tests:change/1")]


def damage(path: Path) -> None:
    """Change what stands there."""
    path.write_bytes(path.read_bytes().replace(SHORT.encode(), b"shor7"))


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_code_that_never_says_the_same_twice(step: int) -> None:
    """Stopped before any change, what was durable first goes to the child, whatever code says later."""
    trip = Trip()
    for point in range(1, 200, step):
        with scratch() as folder:
            root, calls = folder / "w", itertools.count()
            put_long(root, 1, 2)

            def change(asked: dict[str, Any], calls: Iterator[int] = calls) -> Any:
                asked["body"]["messages"][0]["content"] = f"version {next(calls)}"
                return asked

            trip = Trip(at=point)
            with contextlib.suppress(Crash):
                changing(change, tap=trip).run(root, provider="openai")
            made = live(root) / "batch_metadata_1.r1.jsonl"
            told = made.read_bytes() if made.exists() else None
            sound(root)
            for _ in range(2):
                report = changing(change).run(root, provider="openai")
            when = f"stopped before change {point}: {trip.seen[-1]}"
            assert {batch.state for batch in report.batches} == {State.HELD}, when
            assert told is None or record(root, "1.r1")["input"] == json.loads(told)["input"], when
            assert [line["custom_id"] for line in child_lines(root)] == ["q-1", "q-2"], when
            assert next(calls) <= 4, when
            assert not list((root / ".reconciler/changed").iterdir()), when
            sound(root)
        if not trip.reached:
            return
    raise AssertionError("it never ends")


def test_a_changed_line_without_a_record_is_found(root: Path) -> None:
    """The same where no change was made, and for a child whose own metadata was made to fit."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    Plugs().run(root, provider="openai")
    path = live(root) / "batch_input_1.r1.jsonl"
    path.write_bytes(path.read_bytes().replace(b"question", b"9uestion"))
    found = [each.what for each in check(str(root), settings()).findings]
    assert any("no change of them is recorded" in what for what in found)


def test_an_unrecorded_difference_is_found(root: Path) -> None:
    """`check` objects to a line that differs by another change, though every file digest was made to fit."""
    put_long(root, 1, 2)
    changing(shorten).run(root, provider="openai")
    sound(root)
    path = live(root) / "batch_input_1.r1.jsonl"
    was = path.read_bytes()
    path.write_bytes(was.replace(SHORT.encode(), b"shor7", 1))
    old, new = line_digest(was), line_digest(path.read_bytes())
    for told in (live(root) / "batch_metadata_1.r1.jsonl", root / "done/1/manifest.json"):
        told.write_text(told.read_text("utf-8").replace(old, new), "utf-8")
    (found,) = check(str(root), settings()).findings
    assert (found.promise, found.where) == (2, "workdir/batch_input_1.r1.jsonl")
    assert "2 others, changed by tests:change/1" in found.what


def test_changed_lines_that_are_gone_are_made_anew(root: Path) -> None:
    """Lines that vanish before the child has them are asked for again; nothing is sent unchanged."""
    put_long(root, 1)
    code = Noting()

    def tap(change: str, path: str) -> None:
        if change == "create" and "batch_metadata_1.r1" in path and len(code.calls) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        changing(code, tap=tap).run(root, provider="openai")
    (root / ".reconciler/changed/1.jsonl").unlink()
    changing(code).run(root, provider="openai")
    assert [failure.redelivery for _, failure in code.calls][:1] == [False]
    assert [content(line) for line in child_lines(root)] == [SHORT]
    sound(root)


@pytest.mark.parametrize("lost", [Path.unlink, damage], ids=["removed", "altered"])
@pytest.mark.parametrize("stop", ["batch_metadata_1.r1", "batch_input_1.r1"])
def test_a_retry_whose_changed_lines_are_lost(root: Path, lost: Callable[[Path], object], stop: str) -> None:
    """By hand too: stopped before the child has them, lost lines are made anew, never sent as they were."""
    put_long(root, 1)
    code = Noting()
    changing(code).run(root)

    def tap(change: str, path: str) -> None:
        if change == "create" and stop in path:
            raise Crash

    with pytest.raises(Crash):
        changing(code, tap=tap).decide(decide.retry, root)
    lost(root / ".reconciler/changed/1.jsonl")
    with pytest.raises(TransientError, match="changed") as caught:
        changing(code).decide(decide.retry, root)
    assert caught.value.hint == "the same command again changes them anew"
    assert not (live(root) / "batch_input_1.r1.jsonl").exists()
    sound(root)
    changing(code).decide(decide.retry, root)
    assert [content(line) for line in child_lines(root)] == [SHORT]
    assert code.ids == ["q-1", "q-1"]
    sound(root)


def test_code_that_was_mended_in_between(root: Path) -> None:
    """A child whose making was cut off is finished as it was begun, though the code is another by then."""
    put_long(root, 1)

    def tap(change: str, path: str) -> None:
        if change == "create" and "batch_input_1.r1" in path:
            raise Crash

    with pytest.raises(Crash):
        changing(shorten, tap=tap).run(root, provider="openai")
    assert (live(root) / "batch_metadata_1.r1.jsonl").exists()
    later = Noting(lambda asked: {**asked, "body": {**asked["body"], "max_tokens": 1}})
    report = changing(later, version="2").run(root, provider="openai")
    assert report.batch("1").state is State.SETTLED
    assert (later.calls, [content(line) for line in child_lines(root)]) == ([], [SHORT])
    assert manifest(root, "1")["children"]["1.r1"]["changed"]["by"] == {"over-length": "tests:change/1"}
    sound(root)
