"""
An error class may name code that changes its failed requests before they are sent again.

Each test makes real passes over a real workspace with a function plugged in.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import decide
from reconciler.batches import MANY
from reconciler.model.outcome import ErrorClass
from reconciler.model.report import State
from reconciler.model.rows import Standing
from reconciler.preview import preview
from reconciler.results import Results
from tests.changing import (
    SHORT,
    TOO_LONG,
    Noting,
    changing,
    child_lines,
    content,
    put_long,
    shorten,
)
from tests.plugging import Plugs, Seen, sound
from tests.workspaces import (
    answered,
    failed,
    files,
    live,
    manifest,
    put,
    request,
    results,
    scratch,
    settings,
    stats,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def test_what_was_too_long_is_sent_changed(root: Path) -> None:
    """The changed request goes to the child, with the same id; nothing else of the batch does."""
    put_long(root, 1, 3)
    code = Noting()
    report = changing(code).run(root, provider="openai")
    assert report.batch("1").state is State.SETTLED
    assert [(line["custom_id"], content(line)) for line in child_lines(root)] == [
        ("q-1", SHORT),
        ("q-3", SHORT),
    ]
    assert [(asked, failure.error_class) for asked, failure in code.calls] == [
        (request(1), ErrorClass.OVER_LENGTH),
        (request(3), ErrorClass.OVER_LENGTH),
    ]
    assert {(failure.batch, failure.attempt, failure.planned) for _, failure in code.calls} == {
        ("1", 1, "retry")
    }
    assert [row["outcome"] for row in results(root, "1")] == ["answered", "retried", "answered", "retried"]
    sound(root)


def test_without_it_such_a_failure_is_final(root: Path) -> None:
    """What the table says of a class without code stays: too long is not asked again."""
    put_long(root, 1)
    assert Plugs().run(root, provider="openai").batch("1").state is State.SETTLED
    assert not list(live(root).iterdir())


def test_other_failures_go_to_the_same_child_as_they_are(root: Path) -> None:
    """A class with code leaves the bytes of the others alone."""
    put(
        root,
        "1",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, TOO_LONG), failed(2, 429)],
    )
    code = Noting()
    changing(code).run(root, provider="openai")
    assert code.ids == ["q-1"]
    first, second = (live(root) / "batch_input_1.r1.jsonl").read_bytes().splitlines()
    assert content(json.loads(first)) == SHORT
    assert second == json.dumps(request(2)).encode()
    sound(root)


def test_results_have_a_row_for_each_request(root: Path) -> None:
    """Over the lineage each request has one row, in input order, the changed one with its second attempt."""
    put_long(root, 1, 2)
    changing(shorten).run(root, provider="openai")
    put(root, "1.r1", output=[answered(2), answered(1)])
    changing(shorten).run(root, provider="openai")
    rows = [(row.custom_id, row.outcome, row.attempt) for row in Results(str(root), settings())]
    assert rows == [
        ("q-0", Standing.ANSWERED, 1),
        ("q-1", Standing.ANSWERED, 2),
        ("q-2", Standing.ANSWERED, 2),
        ("q-3", Standing.ANSWERED, 1),
    ]
    sound(root)
    still = stats(root)
    changing(shorten).run(root, provider="openai")
    assert stats(root) == still


def test_the_second_change_is_made_of_the_first(root: Path) -> None:
    """A changed request that is still too long is changed once more, as long as attempts are left."""

    def halve(asked: dict[str, Any]) -> Any:
        text = content(asked)
        asked["body"]["messages"][0]["content"] = text[: len(text) // 2]
        return asked

    put_long(root, 1)
    plugs = changing(halve)
    for child in ("1.r1", "1.r2"):
        plugs.run(root, provider="openai")
        put(root, child, error=[failed(1, TOO_LONG)])
    assert [content(line) for line in child_lines(root, "1.r2")] == ["qu"]
    assert plugs.run(root, provider="openai").exit_code == 0
    assert not list(live(root).iterdir())
    assert manifest(root, "1.r2")["attempt"] == 3
    assert [row.outcome for row in Results(str(root), settings(), ["1"])][1] is Standing.FAILED
    sound(root)


def test_async_code(root: Path) -> None:
    """An async function changes requests likewise, many at a time, and the child keeps the input's order."""
    two = asyncio.Barrier(2)

    async def change(asked: dict[str, Any]) -> Any:
        async with asyncio.timeout(60):
            await two.wait()
        for _ in range(10 - int(asked["custom_id"][2:])):
            await asyncio.sleep(0)
        return shorten(asked)

    put_long(root, *range(1, 9), count=9)
    changing(change).run(root, provider="openai")
    assert [line["custom_id"] for line in child_lines(root)] == [f"q-{n}" for n in range(1, 9)]
    sound(root)


def test_an_error_processor_has_the_first_word(root: Path) -> None:
    """What an error processor gives up is not changed."""
    put_long(root, 1, 2)
    code = Noting()
    judge = Seen(lambda result: "give-up" if result.custom_id == "q-1" else None)
    plugs = changing(code, error=judge)
    assert plugs.run(root, provider="openai").batch("1").state is State.SETTLED
    assert (code.ids, judge.ids) == (["q-2"], ["q-1", "q-2"])
    sound(root)


def test_two_classes_have_their_own_code(root: Path) -> None:
    """Each class is changed by its own code, and the record says by which."""
    put(root, "1", input=[request(n) for n in range(2)], error=[failed(0, TOO_LONG), failed(1, 400)])

    def rephrase(asked: dict[str, Any]) -> Any:
        return {**shorten(asked), "body": {**asked["body"], "temperature": 0}}

    plugs = Plugs(transforms={ErrorClass.OVER_LENGTH: shorten, ErrorClass.INVALID_REQUEST: Noting(rephrase)})
    plugs.run(root, provider="openai")
    first, second = child_lines(root)
    assert ("temperature" in first["body"], "temperature" in second["body"]) == (False, True)
    assert manifest(root, "1")["children"]["1.r1"]["changed"]["requests"] == 2
    sound(root)


def test_nobody_is_asked_without_a_provider(root: Path) -> None:
    """Where nothing is asked again by itself, code is not called; `retry` by hand calls it."""
    put_long(root, 1)
    code = Noting()
    plugs = changing(code)
    assert plugs.run(root).batch("1").state is State.SETTLED
    assert code.calls == []
    plugs.decide(decide.retry, root)
    assert code.ids == ["q-1"]
    assert [content(line) for line in child_lines(root)] == [SHORT]
    assert manifest(root, "1")["children"]["1.r1"]["changed"]["requests"] == 1
    sound(root)


def test_retry_of_a_live_batch(root: Path) -> None:
    """`retry --class` of a class with code sends its requests changed, from a live batch too."""
    put(
        root,
        "1",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, TOO_LONG), failed(2, 401)],
    )
    plugs = changing(shorten)
    table = {"authentication": "attention"}
    plugs.run(root, **table)
    assert (live(root) / "batch_input_1.jsonl").exists()
    decide.retry(str(root), settings(**table), ["1"], plugs.options, ["over-length"])
    assert [content(line) for line in child_lines(root)] == [SHORT]
    sound(root)


def test_plan_shows_the_step_and_changes_nothing(root: Path) -> None:
    """`plan` names the step and calls nothing."""
    put_long(root, 1)
    code = Noting()
    plugs = changing(code)
    before = files(root)
    ((_, planned),) = preview(
        str(root), settings(provider="openai"), deep=True, plugged=plugs.options.plugged
    ).batches
    assert [step.verb for step in planned.steps] == ["match-request-ids", "change-requests"]
    assert "tests:change/1" in planned.because
    assert (code.calls, files(root)) == ([], before)


def test_many_batches(root: Path) -> None:
    """Where batches are settled in groups, those with code are not: each is changed, and nothing is lost."""
    for number in range(1, MANY + 2):
        put(
            root,
            str(number),
            input=[request(0), request(1)],
            output=[answered(0)],
            error=[failed(1, TOO_LONG)],
        )
    code = Noting()
    report = changing(code).run(root, provider="openai")
    assert len(code.calls) == MANY + 1
    assert report.count(State.SETTLED) == MANY + 1
    assert content(child_lines(root, f"{MANY + 1}.r1")[0]) == SHORT
    sound(root)
