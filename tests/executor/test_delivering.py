"""
Answers go to a record processor, or become files; what cannot be handled is written down, the rest goes on.

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
from typing import Any, Final

import pytest

from reconciler import decide
from reconciler.errors import NeedsPerson, PermanentError, TransientError
from reconciler.model.content import Content
from reconciler.model.exchange import Result
from reconciler.model.failure import Unhandled
from reconciler.model.receipt import record_token
from reconciler.model.report import State
from reconciler.processors.files import leaf_of
from tests.plugging import Plugs, Seen, items, lines_of, put_answers, refusing, sound, texts, unread
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


def values(root: Path, name: str = "1") -> list[Any]:
    """The values of the published lines, in order."""
    return [line["value"] for line in results(root, name)]


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


# What it cannot handle


def test_one_answer_that_it_cannot_handle(root: Path) -> None:
    """The others are published, the one is written down with reason, text and token, and the batch stays."""
    put_answers(root)
    seen = Seen(refusing("q-1"))
    report = Plugs(seen).run(root)
    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION)
    assert isinstance(report.batch("1").failure, Unhandled)
    assert values(root) == [{"text": "answer 0"}, None, {"text": "answer 2"}]
    reason = {"why": "processor", "reason": "ValueError: no use for q-1"}
    assert [line.get("unhandled") for line in results(root, "1")] == [None, reason, None]
    (item,) = items(root)
    assert item["custom_id"] == "q-1"
    assert item["batch"] == "1"
    assert item["text"] == "answer 1"
    assert item["token"] == seen.tokens["q-1"]
    assert {key: item[key] for key in reason} == reason
    assert not (root / "done" / "1").exists()
    sound(root)


def test_a_second_pass_does_not_call_it_again(root: Path) -> None:
    """As long as nothing has changed, the batch stays, nobody is called, and no file changes."""
    put_answers(root)
    seen = Seen(refusing("q-1"))
    Plugs(seen).run(root)
    before = stats(root)
    assert Plugs(seen).run(root).exit_code == 3
    assert (len(seen.calls), stats(root)) == (3, before)


def test_another_version_gets_them_again(root: Path) -> None:
    """A mended processor gets every answer again, under other tokens, and no trace of the failure is left."""
    put_answers(root)
    first, second = Seen(refusing("q-1")), Seen()
    Plugs(first).run(root)
    assert Plugs(second, version="2").run(root).exit_code == 0
    assert second.ids == first.ids
    assert second.redelivered == {False}
    assert not set(first.tokens.values()) & set(second.tokens.values())
    assert values(root) == [f"answer {n}" for n in range(3)]
    assert items(root) == []
    assert not (root / "failed-items" / "1.jsonl").exists()
    sound(root)


def nan(_result: Result) -> Any:
    """Return what is no number."""
    return float("nan")


def objects(_result: Result) -> Any:
    """Return what nobody can write down."""
    return {object()}


def quits(_result: Result) -> Any:
    """Leave."""
    raise SystemExit(7)


async def late(_result: Result) -> Any:
    """Run out of time."""
    raise TimeoutError("late")


def full(_result: Result) -> Any:
    """Find its own disk full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def never(_result: Result) -> Any:
    """Say that it will never work."""
    raise PermanentError("never")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        pytest.param(nan, "returned float, which is no JSON", id="nan"),
        pytest.param(objects, "returned set, which is no JSON", id="set-of-objects"),
        pytest.param(quits, "SystemExit: 7", id="system-exit"),
        pytest.param(late, "TimeoutError: late", id="async-timeout"),
        pytest.param(full, "OSError: [Errno 28]", id="its-own-disk-is-full"),
        pytest.param(never, "PermanentError: never", id="permanent"),
    ],
)
def test_what_counts_as_not_handled(root: Path, function: Callable[..., Any], reason: str) -> None:
    """Whatever it raises or returns instead of JSON is its own fault, never the pass's."""
    put_answers(root)
    assert Plugs(function).run(root).exit_code == 3
    assert [item["custom_id"] for item in items(root)] == ["q-0", "q-1", "q-2"]
    assert all(item["reason"].startswith(reason) for item in items(root))
    assert leftovers(root) == []


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


# Answers read as JSON


def test_values_are_read_for_it(root: Path) -> None:
    """With `content` it gets the value beside the text, and never what could not be read."""
    put_answers(root, 4, output=texts('{"a": 1}', "```json\n[2]\n```", "I cannot say", '{"a": 3,}'))
    seen = Seen(lambda result: ["got", result.value])
    assert Plugs(seen, content="json").run(root).exit_code == 3
    assert [each.value for each in seen.calls] == [{"a": 1}, [2], {"a": 3}]
    assert values(root) == [["got", {"a": 1}], ["got", [2]], None, ["got", {"a": 3}]]
    assert [line.get("value_from") for line in results(root, "1")] == ["whole", "fenced", None, "repaired"]
    assert items(root) == []
    (line,) = unread(root)
    assert (line["custom_id"], line["why"], line["text"], line["token"]) == (
        "q-2",
        "broken",
        "I cannot say",
        None,
    )


def test_both_kinds_of_trouble(root: Path) -> None:
    """What could not be read and what was refused stand in a file of their own each; both are counted."""
    put_answers(root, 3, output=texts("[0]", "I cannot say", "[2]"))
    report = Plugs(Seen(refusing("q-2")), content="json").run(root)
    assert report.exit_code == 3
    assert [each["custom_id"] for each in unread(root)] == ["q-1"]
    assert [each["custom_id"] for each in items(root)] == ["q-2"]
    failure = report.batch("1").failure
    assert isinstance(failure, Unhandled)
    assert (failure.requests, failure.files) == (2, ("failed-json-repairs/1.jsonl", "failed-items/1.jsonl"))


def test_what_can_be_read_after_all_is_no_trouble_any_more(root: Path) -> None:
    """Handed over again as text, nothing is unread, and the file that told of it goes."""
    put_answers(root, 3, output=texts("[0]", "I cannot say", "[2]"))
    Plugs(Seen(), content="json").run(root)
    assert [each["custom_id"] for each in unread(root)] == ["q-1"]
    Plugs(Seen(), content="text").decide(decide.process, root)
    assert not (root / "failed-json-repairs/1.jsonl").exists()


def test_json_without_a_processor(root: Path) -> None:
    """The built-in `results` publishes the values, and counts how they were found."""
    put_answers(root, 3, output=texts('{"a": 1}', '{"a": 2,}', "so: [3]"))
    assert Plugs(content="json").run(root).exit_code == 0
    assert values(root) == [{"a": 1}, {"a": 2}, [3]]
    found = manifest(root, "1")["receipts"]["process-output"]["found"]
    assert found == {"whole": 1, "repaired": 1, "prose": 1}
    sound(root)


def test_lines_of_json(root: Path) -> None:
    """JSONL gives lists."""
    put_answers(root, 1, output=texts('{"a": 1}\n{"a": 2}'))
    assert Plugs(content="jsonl").run(root).exit_code == 0
    assert values(root) == [[{"a": 1}, {"a": 2}]]


# Files


def folder(root: Path, name: str = "1") -> dict[str, bytes]:
    """What lies in the folder of a batch's files."""
    return {path.name: path.read_bytes() for path in (root / "target" / f"{name}.files").iterdir()}


def renamed(line: dict[str, Any], custom_id: str) -> dict[str, Any]:
    """A line of another id."""
    return {**line, "custom_id": custom_id}


ODD_IDS: Final = (
    "../../escape",
    "/etc/passwd",
    "a/b",
    "index",
    "A",
    "a",
    "a\u0001b",
    "..",
    "é",
    "-",
    "a-" + "0" * 16,
)


def test_each_answer_becomes_a_file(root: Path) -> None:
    """Each answer has a file of its own, whatever its id, and the index says which."""
    put(
        root,
        "1",
        input=[renamed(request(n), each) for n, each in enumerate(ODD_IDS)],
        output=[renamed(answered(n), each) for n, each in enumerate(ODD_IDS)],
    )
    outside = {path.name for path in root.parent.iterdir()}
    assert Plugs("files").run(root).exit_code == 0
    index = lines_of(root / "target" / "1.files" / "index.jsonl")
    assert [line["custom_id"] for line in index] == list(ODD_IDS)
    found = folder(root)
    assert {line["file"] for line in index} == found.keys() - {"index.jsonl"}
    for n, line in enumerate(index):
        assert found[line["file"]] == f"answer {n}".encode()
    assert {path.name for path in root.parent.iterdir()} == outside
    ours = {path.split("/")[0] for path in files(root)}
    assert ours == {".reconciler", "done", "target"}
    sound(root)


def test_what_has_no_file(root: Path) -> None:
    """A failure and an answer that cannot be read have a line in the index and no file."""
    put(
        root,
        "1",
        input=[request(n) for n in range(3)],
        output=[*texts('{"a": 1}', "no")],
        error=[failed(2)],
    )
    assert Plugs("files", content="json").run(root).exit_code == 3
    index = lines_of(root / "target" / "1.files" / "index.jsonl")
    assert [line["file"] for line in index] == ["q-0.json", None, None]
    assert [line["outcome"] for line in index] == ["answered", "answered", "failed"]
    assert index[1]["unhandled"]["why"] == "broken"
    assert index[2]["error"]["class"] == "invalid-request"
    assert folder(root).keys() == {"q-0.json", "index.jsonl"}


def test_a_file_of_somebody_else_stays(root: Path) -> None:
    """What our index does not name is not ours: it stays, and a name in a forged index leads nowhere else."""
    put_answers(root)
    place = root / "target" / "1.files"
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("mine", "utf-8")
    (root / "precious.txt").write_text("mine", "utf-8")
    (place / "index.jsonl").write_text('{"file": "../../precious.txt"}\n{"file": "notes.md"}\n', "utf-8")
    (place / "notes.md").write_text("mine", "utf-8")
    assert Plugs("files").run(root).exit_code == 0
    assert (root / "precious.txt").read_text("utf-8") == "mine"
    assert folder(root).keys() == {"q-0.txt", "q-1.txt", "q-2.txt", "index.jsonl", "notes.txt", "notes.md"}


def test_a_file_that_is_not_wanted_any_more(root: Path) -> None:
    """What an earlier invocation has published and this one has not goes."""
    put_answers(root, 3, output=texts("[0]", "no", "[2]"))
    assert Plugs("files", content="json").run(root).exit_code == 3
    (root / "target" / "1.files" / "notes.txt").write_text("mine", "utf-8")
    assert Plugs("files").run(root).exit_code == 0
    wanted = {leaf_of(f"q-{n}", Content.TEXT) for n in range(3)}
    assert folder(root).keys() == wanted | {"index.jsonl", "notes.txt"}


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_name_that_is_taken(root: Path, kind: str) -> None:
    """Where a link or a folder has a name of ours, nothing outside the workspace is written."""
    put_answers(root, 1)
    outside = root.parent / "outside"
    outside.mkdir()
    place = root / "target"
    place.mkdir()
    if kind == "link":
        (place / "1.files").symlink_to(outside)
    else:
        (place / "1.files" / "q-0.txt").mkdir(parents=True)
    assert Plugs("files").run(root).exit_code in (1, 3)
    assert list(outside.iterdir()) == []


def test_files_when_the_disk_is_full(root: Path) -> None:
    """A disk that refuses every write leaves no file under its final name, and the batch where it was."""
    put_answers(root)
    report = Plugs("files", tap=full_target).run(root)
    assert report.exit_code == 1
    assert not list(root.glob("target/1.files/*"))
    assert Plugs("files").run(root).exit_code == 0


# Settling without them


def test_on_failure_settle(root: Path) -> None:
    """With `on_failure = "settle"` the batch settles, and what was not handled is still written down."""
    put_answers(root)
    report = Plugs(Seen(refusing("q-1"))).run(root, on_failure="settle")
    assert report.exit_code == 0
    assert [each["custom_id"] for each in items(root)] == ["q-1"]
    assert manifest(root, "1")["receipts"]["process-output"]["unhandled"]["requests"] == 1
    assert manifest(root, "1")["coverage"]["answered"]["requests"] == 3
    sound(root)


def test_on_failure_settle_later(root: Path) -> None:
    """Settling is decided from what is known: the processor is not called for it once more."""
    put_answers(root)
    seen = Seen(refusing("q-1"))
    Plugs(seen).run(root)
    assert Plugs(seen).run(root, on_failure="settle").exit_code == 0
    assert len(seen.calls) == 3


def test_process_hands_over_again(root: Path) -> None:
    """`process` hands every answer over once more, under the same tokens, as a redelivery."""
    put_answers(root)
    bad, good = Seen(refusing("q-1")), Seen()
    Plugs(bad).run(root)
    decision = Plugs(good).decide(decide.process, root)
    assert decision.exit_code == 0
    assert (good.ids, good.tokens, good.redelivered) == (bad.ids, bad.tokens, {True})
    assert items(root) == []
    sound(root)


def test_process_in_vain(root: Path) -> None:
    """When it fails again the batch stays, and one invocation was made, no more."""
    put_answers(root)
    seen = Seen(refusing("q-1"))
    Plugs(seen).run(root)
    assert Plugs(seen).decide(decide.process, root).exit_code == 3
    assert len(seen.calls) == 6
    assert Plugs(seen).run(root).exit_code == 3
    assert len(seen.calls) == 6


def test_dismiss_settles_without(root: Path) -> None:
    """`dismiss` settles the batch without calling anybody; its ids stay answered, and the file stays."""
    put_answers(root)
    seen = Seen(refusing("q-1"))
    before = Plugs(seen).run(root).batch("1").coverage
    decision = Plugs(seen).decide(decide.dismiss, root)
    assert decision.exit_code == 0
    assert decision.told == ("1: 1 unhandled answer given up",)
    assert len(seen.calls) == 3
    coverage = decision.report.batch("1").coverage
    assert before is not None
    assert coverage is not None
    assert (coverage.answered, coverage.dismissed) == (before.answered, before.dismissed)
    assert [each["custom_id"] for each in items(root)] == ["q-1"]
    sound(root)


def killed_before_the_move(_change: str, path: str) -> None:
    """A tap that ends the process before anything is put into `done/`."""
    if path.startswith("done"):
        raise Crash


def test_what_was_given_up_was_these_very_answers(root: Path) -> None:
    """Giving up one answer does not give up another that fails later."""
    put_answers(root)
    Plugs(Seen(refusing("q-1"))).run(root)
    with pytest.raises(Crash):
        Plugs(Seen(refusing("q-1")), tap=killed_before_the_move).decide(decide.dismiss, root)
    assert (live(root) / "batch_input_1.jsonl").exists()
    assert Plugs(Seen(refusing("q-2")), version="2").run(root).exit_code == 3
    assert Plugs(Seen(refusing("q-1")), version="3").run(root).exit_code == 0


def test_nothing_to_dismiss_or_to_process(root: Path) -> None:
    """Neither verb does anything where no answer was handed over, or none was refused."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)])
    Plugs(Seen()).run(root)
    before = files(root)
    with pytest.raises(NeedsPerson, match="not handed"):
        Plugs(Seen()).decide(decide.process, root)
    assert files(root) == before
