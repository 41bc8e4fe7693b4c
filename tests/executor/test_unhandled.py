"""
What a record processor cannot handle is written down and the rest is published; then a person decides.

Each test makes real passes over a real workspace with a function plugged in.
"""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import decide
from reconciler.errors import NeedsPerson, PermanentError
from reconciler.model.exchange import Result
from reconciler.model.failure import Unhandled
from reconciler.model.report import State
from tests.plugging import Plugs, Seen, items, put_answers, refusing, sound, texts, unread, values
from tests.workspace.faults import Crash
from tests.workspaces import (
    answered,
    files,
    leftovers,
    live,
    manifest,
    put,
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
