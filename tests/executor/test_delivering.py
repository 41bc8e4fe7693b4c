"""
Answers go to a record processor, and what it returns is published, also after it was cut short.

Each test makes real passes over a real workspace with a function plugged in.
"""

import asyncio
import errno
import functools
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import TransientError
from reconciler.model.exchange import Result
from reconciler.model.receipt import record_token
from reconciler.model.report import State
from tests.plugging import Plugs, Seen, items, lines_of, put_answers, refusing, sound, texts, values
from tests.workspace.faults import Crash, Trip, in_child
from tests.workspaces import (
    answered,
    failed,
    files,
    leftovers,
    live,
    manifest,
    put,
    record,
    request,
    results,
    scratch,
    stats,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


# What it is called with, and what becomes of what it returns


def shout(result: Result) -> Any:
    """Say it louder."""
    return (result.text or "").upper()


async def shout_later(result: Result) -> Any:
    """Say it louder, later."""
    await asyncio.sleep(0)
    return shout(result)


class Shouting:
    """An object that says it louder."""

    def __call__(self, result: Result) -> Any:
        """Say it louder."""
        return shout(result)


def repeat(times: int, result: Result) -> Any:
    """Say it so many times."""
    return shout(result) * times


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(shout, id="plain"),
        pytest.param(shout_later, id="async"),
        pytest.param(Shouting(), id="object"),
        pytest.param(functools.partial(repeat, 1), id="partial"),
    ],
)
def test_what_it_returns_is_published(root: Path, function: Callable[..., Any]) -> None:
    """The value that it returns stands in the line of its request, and the batch settles."""
    put_answers(root, 40)
    report = Plugs(function).run(root)
    assert (report.exit_code, report.batch("1").state) == (0, State.SETTLED)
    assert [line["custom_id"] for line in results(root, "1")] == [f"q-{n}" for n in range(40)]
    assert values(root) == [f"ANSWER {n}" for n in range(40)]
    assert items(root) == []
    sound(root)


def test_the_order_of_lines_is_that_of_the_input(root: Path) -> None:
    """Async calls may end in any order; the lines stand in the order of the input all the same."""
    put_answers(root, 100)
    ended: list[str] = []
    turns = random.Random(7)

    async def slowly(result: Result) -> str:
        for _ in range(turns.randrange(20)):
            await asyncio.sleep(0)
        ended.append(result.custom_id)
        return result.custom_id

    assert Plugs(slowly).run(root).exit_code == 0
    assert ended != values(root)
    assert values(root) == [f"q-{n}" for n in range(100)]


def test_what_it_gets(root: Path) -> None:
    """It gets answers only, in input order, each with its batch and a token of its own."""
    asked = [request(n) for n in range(4)]
    put(root, "1", input=asked, output=[answered(3), answered(0)], error=[failed(1), failed(2)])
    seen = Seen()
    assert Plugs(seen).run(root).exit_code == 0
    assert seen.ids == ["q-0", "q-3"]
    assert {(each.batch, each.attempt, each.redelivery, each.planned) for each in seen.calls} == {
        ("1", 1, False, None)
    }
    token = manifest(root, "1")["receipts"]["process-output"]["token"]
    assert seen.tokens == {each: record_token(token, each) for each in seen.ids}
    assert [line["outcome"] for line in results(root, "1")] == ["answered", "failed", "failed", "answered"]


def test_an_answer_may_stand_in_the_error_file(root: Path) -> None:
    """What counts is what a line says, not the file in which it stands."""
    put(root, "1", input=[request(0), request(1)], output=[failed(0)], error=[answered(1)])
    seen = Seen()
    assert Plugs(seen).run(root).exit_code == 0
    assert seen.ids == ["q-1"]


def test_nothing_to_return(root: Path) -> None:
    """None is no value: the line says null, and nothing is amiss."""
    put_answers(root)
    assert Plugs(lambda result: None).run(root).exit_code == 0  # noqa: ARG005 - the name of a parameter
    assert values(root) == [None] * 3


def test_once_settled_it_is_not_called_again(root: Path) -> None:
    """A settled batch is not handed over once more, and a further pass changes nothing at all."""
    put_answers(root)
    seen = Seen()
    Plugs(seen).run(root)
    before = stats(root)
    assert Plugs(seen, version="2").run(root).exit_code == 0
    assert (len(seen.calls), stats(root)) == (3, before)


def test_what_it_prints_is_not_ours(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A processor may print; nothing of it gets into a file."""
    put_answers(root)
    assert Plugs(lambda result: print("printed", result.custom_id)).run(root).exit_code == 0  # noqa: T201 - the point
    assert capsys.readouterr().out.count("printed") == 3
    assert not any(b"printed" in data for data in files(root).values())


# Cut short, and called again


@pytest.mark.parametrize("later", [False, True], ids=["plain", "async"])
def test_what_a_re_run_may_mend(root: Path, later: bool) -> None:  # noqa: FBT001 - a row
    """A TransientError records nothing and ends with 1; the next pass calls again, with the same tokens."""
    put_answers(root)
    first = Seen()

    def busy(result: Result) -> Any:
        first(result)
        if result.custom_id == "q-1":
            raise TransientError("the database is busy")
        return 1

    async def busy_later(result: Result) -> Any:
        return busy(result)

    report = Plugs(busy_later if later else busy).run(root)
    assert (report.exit_code, report.batch("1").state) == (1, State.FAILED)
    assert "busy" in report.batch("1").because
    assert not (root / "target").exists() or list((root / "target").iterdir()) == []
    assert items(root) == []
    again = Seen()
    assert Plugs(again).run(root).exit_code == 0
    assert again.redelivered == {True}
    assert again.tokens.items() >= first.tokens.items()


def test_stopping(root: Path) -> None:
    """Someone who asks for an end gets it: 130, nothing published, and the next pass goes on."""
    put_answers(root)
    seen = Seen()
    report = Plugs(seen, stopping=lambda: len(seen.calls) >= 2).run(root)
    assert (report.exit_code, len(seen.calls)) == (130, 2)
    assert not list(root.glob("target/*.jsonl"))
    again = Seen()
    assert Plugs(again).run(root).exit_code == 0
    assert (again.redelivered, again.tokens.items() >= seen.tokens.items()) == ({True}, True)


def test_a_keyboard_interrupt(root: Path) -> None:
    """Ctrl-C inside the function leaves nothing half done that the next pass does not mend."""
    put_answers(root)

    def interrupted(_result: Result) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Plugs(interrupted).run(root)
    assert not (root / "target" / "1.results.jsonl").exists()
    again = Seen()
    assert Plugs(again).run(root).exit_code == 0
    assert again.redelivered == {True}
    assert leftovers(root) == []


def test_a_process_that_dies_in_the_function(root: Path) -> None:
    """Killed half way, nothing stands under its final name; the same tokens come again, as a redelivery."""
    put_answers(root)

    def dies(result: Result) -> Any:
        with (root / "calls").open("a", encoding="utf-8") as stream:
            stream.write(f"{json.dumps([result.custom_id, result.token, result.redelivery])}\n")
        if result.custom_id == "q-1":
            os._exit(7)
        return 1

    assert in_child(lambda: Plugs(dies).run(root).exit_code) == 7
    assert not (root / "target" / "1.results.jsonl").exists()
    assert not (root / "done").exists()
    before = {custom_id: token for custom_id, token, _ in lines_of(root / "calls")}
    assert not any(redelivery for *_, redelivery in lines_of(root / "calls"))
    again = Seen()
    assert Plugs(again).run(root).exit_code == 0
    assert again.redelivered == {True}
    assert list(before) == ["q-0", "q-1"]
    assert again.tokens.items() >= before.items()
    assert leftovers(root) == []


@pytest.mark.parametrize("content", ["text", "json"])
def test_other_work_has_other_tokens(root: Path, content: str) -> None:
    """Tokens differ for another batch, another version, other bytes of an answer, another way of reading."""
    base, named, versioned, read_as, changed = Seen(), Seen(), Seen(), Seen(), Seen()
    other = "json" if content == "text" else "text"
    found = [refusing("q-0")]
    for number, (seen, name, version, kind, words) in enumerate(
        [
            (base, "1", "1", content, "[1]"),
            (named, "2", "1", content, "[1]"),
            (versioned, "1", "2", content, "[1]"),
            (read_as, "1", "1", other, "[1]"),
            (changed, "1", "1", content, "[2]"),
        ]
    ):
        place = root.with_name(f"w{number}")
        put_answers(place, 1, name, texts(words))
        seen.what = found[0]
        Plugs(seen, content=kind, version=version).run(place)
    tokens = [seen.tokens["q-0"] for seen in (base, named, versioned, read_as, changed)]
    assert len(set(tokens)) == 5
    same = root.with_name("same")
    put_answers(same, 1, "1", texts("[1]"))
    again = Seen()
    Plugs(again, content=content).run(same)
    assert again.tokens == base.tokens


def full_target(change: str, path: str) -> None:
    """A tap for a disk that has no room for what is published."""
    if change == "write" and path.startswith("target/"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full(root: Path) -> None:
    """A full disk is no fault of the processor: exit 1, nobody blamed, and the next pass makes up for it."""
    put_answers(root)
    seen = Seen()
    report = Plugs(seen, tap=full_target).run(root)
    assert (report.exit_code, report.batch("1").state) == (1, State.FAILED)
    assert items(root) == []
    assert "unhandled" not in record(root, "1")["receipts"].get("process-output", {})
    again = Seen()
    assert Plugs(again).run(root).exit_code == 0
    assert (again.redelivered, again.tokens) == ({True}, seen.tokens)


def test_files_when_the_disk_is_full(root: Path) -> None:
    """A disk that refuses every write leaves no file under its final name, and the batch where it was."""
    put_answers(root)
    report = Plugs("files", tap=full_target).run(root)
    assert report.exit_code == 1
    assert not list(root.glob("target/1.files/*"))
    assert Plugs("files").run(root).exit_code == 0


def test_a_mark_before_the_first_call(root: Path) -> None:
    """That user code may have begun is on disk before it begins; without the mark it is never called."""
    put_answers(root)
    found: list[Any] = []

    def look(_result: Result) -> Any:
        found.append(record(root, "1")["receipts"]["process-output"])

    Plugs(look).run(root)
    assert {(each["state"], each["processor"]) for each in found} == {("started", "tests:processor/1")}
    other = root.with_name("other")
    put_answers(other)
    Plugs("results").run(other)
    seen = Seen()
    put_answers(other, name="2")
    with pytest.raises(Crash):
        Plugs(seen, tap=Trip(at=marked_at(other))).run(other)
    assert seen.calls == []


def marked_at(root: Path) -> int:
    """The number of the change that gives metadata with the mark its name, in a pass over batch 2."""
    trip = Trip()
    with scratch() as folder:
        copy = folder / "copy"
        put_answers(copy, name="1")
        Plugs("results").run(copy)
        put_answers(copy, name="2")
        Plugs(lambda result: None, tap=trip).run(copy)  # noqa: ARG005 - the name of a parameter
    assert (live(root) / "batch_input_2.jsonl").exists()
    named = [n for n, seen in enumerate(trip.seen, 1) if seen == ("rename", "workdir/batch_metadata_2.jsonl")]
    return named[1]
