"""
An error class may name code that changes its failed requests before they are sent again.

Each test makes real passes over a real workspace with a function plugged in.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import decide
from reconciler.check import check
from reconciler.errors import NeedsPerson, PermanentError, TransientError
from reconciler.explaining import explain
from reconciler.model.changes import line_digest
from reconciler.model.exchange import Result
from reconciler.model.outcome import ErrorClass
from reconciler.model.report import State
from reconciler.model.rows import Standing
from reconciler.preview import preview
from reconciler.results import Results
from tests.plugging import Plugs, Seen, lines_of, sound
from tests.workspace.faults import Crash, Trip
from tests.workspaces import (
    answered,
    failed,
    files,
    ledger,
    live,
    manifest,
    put,
    record,
    request,
    results,
    scratch,
    settings,
    stats,
    tree,
)

TOO_LONG: Final = 413
SHORT: Final = "short"


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def shorten(asked: dict[str, Any]) -> Any:
    """Put a short question in the place of the one that was asked."""
    asked["body"]["messages"][0]["content"] = SHORT
    return asked


@attrs.define
class Noting:
    """
    A transform that notes what it is called with.

    Attributes:
        then: What it makes of a request.
        calls: Requests as they came, with their failures.
    """

    then: Callable[[dict[str, Any]], Any] = shorten
    calls: list[tuple[dict[str, Any], Result]] = attrs.field(factory=list)

    def __call__(self, asked: dict[str, Any], failure: Result) -> Any:
        """Note the call, then change the request."""
        self.calls.append((json.loads(json.dumps(asked)), failure))
        return self.then(asked)

    @property
    def ids(self) -> list[str]:
        """Which requests it was called for."""
        return [asked["custom_id"] for asked, _ in self.calls]


def changing(function: Callable[..., Any], **more: Any) -> Plugs:
    """Plugs in which requests that are too long are changed by *function*."""
    return Plugs(transforms={ErrorClass.OVER_LENGTH: function}, **more)


def put_long(root: Path, *long: int, count: int = 4) -> None:
    """A batch of which some requests were too long, and the others are answered."""
    put(
        root,
        "1",
        input=[request(n) for n in range(count)],
        output=[answered(n) for n in range(count) if n not in long],
        error=[failed(n, TOO_LONG) for n in long],
    )


def child_lines(root: Path, name: str = "1.r1") -> list[dict[str, Any]]:
    """The requests of a live child."""
    return lines_of(live(root) / f"batch_input_{name}.jsonl")


def content(line: Mapping[str, Any]) -> Any:
    """What a request asks."""
    return line["body"]["messages"][0]["content"]


def kept(root: Path, name: str = "1") -> list[tuple[str, bool, int]]:
    """Why requests of a live batch were not changed, whether a person should look, and how many they are."""
    found = record(root, name)["receipts"]["change-requests"]["kept"]
    return [(each["why"], each["attention"], len(each["ids"])) for each in found]


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
    assert second.changed is not None
    assert (second.changed.by, second.changed.before, second.changed.after) == (
        "tests:change/1",
        before,
        after,
    )
    assert life.outcome is Standing.ANSWERED
    (other,) = explain(str(root), settings(), "q-0").lives
    assert other.attempts[0].changed is None


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


def other_id(asked: dict[str, Any]) -> Any:
    """Another request."""
    return {**shorten(asked), "custom_id": "q-9"}


def other_url(asked: dict[str, Any]) -> Any:
    """A request for another endpoint."""
    return {**shorten(asked), "url": "/v1/embeddings"}


def other_shape(asked: dict[str, Any]) -> Any:
    """A request of another provider."""
    return {"custom_id": asked["custom_id"], "params": asked["body"]}


def other_model(asked: dict[str, Any]) -> Any:
    """A request for another model."""
    return {**asked, "body": {**asked["body"], "model": "larger"}}


def raising(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    """A transform that raises."""

    def change(_asked: dict[str, Any]) -> Any:
        raise error

    return change


@pytest.mark.parametrize(
    ("then", "why"),
    [
        pytest.param(raising(ValueError("no shorter")), "ValueError: no shorter", id="raises"),
        pytest.param(raising(PermanentError("never")), "PermanentError: never", id="permanent"),
        pytest.param(raising(SystemExit(3)), "SystemExit: 3", id="exits"),
        pytest.param(other_id, "it returned a request with another id", id="id"),
        pytest.param(other_url, "it returned a request of another shape, or for another url", id="url"),
        pytest.param(other_shape, "it returned a request of another shape, or for another url", id="shape"),
        pytest.param(other_model, "it returned a request for another model", id="model"),
        pytest.param(lambda _asked: "text", "it returned no request: ", id="text"),
        pytest.param(lambda _asked: {}, "it returned no request: ", id="nothing-in-it"),
        pytest.param(lambda asked: {**asked, "body": 7}, "it returned no request: ", id="body"),
        pytest.param(lambda asked: {**asked, "seed": float("nan")}, "it returned dict, which", id="nan"),
        pytest.param(
            lambda asked: {**asked, "body": {"it": object()}}, "it returned dict, which", id="object"
        ),
    ],
)
def test_code_at_fault_needs_a_person(root: Path, then: Callable[[dict[str, Any]], Any], why: str) -> None:
    """What code failed on is not sent; the others go on, and the batch stays until a person looks."""
    put_long(root, 1, 2)
    code = Noting(lambda asked: then(asked) if asked["custom_id"] == "q-1" else shorten(asked))
    report = changing(code).run(root, provider="openai")
    batch = report.batch("1")
    assert (report.exit_code, batch.state) == (3, State.ATTENTION)
    assert "1 failed request could not be changed and was not asked again: " in batch.because
    assert [line["custom_id"] for line in child_lines(root)] == ["q-2"]
    ((told, attention, requests),) = kept(root)
    assert told.startswith(why)
    assert told in batch.because
    assert (attention, requests) == (True, 1)
    (life,) = explain(str(root), settings(), "q-1").lives
    assert life.attempts[0].unchanged == told
    still = tree(root)
    changing(code).run(root, provider="openai")
    assert code.ids == ["q-1", "q-2"]
    assert {path: data for path, data in tree(root).items() if "logs" not in path} == still
    sound(root)


@pytest.mark.parametrize(
    ("then", "why"),
    [
        pytest.param(lambda _asked: None, "it returned None", id="none"),
        pytest.param(lambda asked: asked, "it returned the request unchanged", id="unchanged"),
        pytest.param(
            lambda asked: dict(reversed(asked.items())),
            "it returned the request unchanged",
            id="in-another-order",
        ),
    ],
)
def test_what_code_cannot_change_is_given_up(
    root: Path, then: Callable[[dict[str, Any]], Any], why: str
) -> None:
    """None, or the same request, means that asking again is of no use: its failure settles, and says why."""
    put_long(root, 1, 2)
    code = Noting(lambda asked: then(asked) if asked["custom_id"] == "q-1" else shorten(asked))
    report = changing(code).run(root, provider="openai")
    assert report.batch("1").state is State.SETTLED
    told = next(each.summary for each in report.batch("1").receipts if each.verb == "change-requests")
    assert told == f"1 request changed by tests:change/1; 1 given up ({why})"
    assert [row["outcome"] for row in results(root, "1")] == ["answered", "failed", "retried", "answered"]
    assert manifest(root, "1")["receipts"]["change-requests"]["kept"][0]["why"] == why
    (life,) = explain(str(root), settings(), "q-1").lives
    assert (life.outcome, life.attempts[0].unchanged) == (Standing.FAILED, why)
    sound(root)


def test_mended_code_gets_what_it_failed_on(root: Path) -> None:
    """Another version is called for what is left, and only for that; then the batch settles."""
    put_long(root, 1, 2)
    bad = Noting(lambda asked: None if asked["custom_id"] == "q-9" else other_id(asked))
    changing(bad).run(root, provider="openai")
    assert not (live(root) / "batch_input_1.r1.jsonl").exists()
    good = Noting()
    report = changing(good, version="2").run(root, provider="openai")
    assert (report.batch("1").state, good.ids) == (State.SETTLED, ["q-1", "q-2"])
    assert [content(line) for line in child_lines(root)] == [SHORT, SHORT]
    sound(root)


def test_process_hands_it_over_once_more(root: Path) -> None:
    """`process` calls the same code again, under the same tokens, as a redelivery."""
    put_long(root, 1)
    code = Noting(raising(OSError("no tokenizer")))
    plugs = changing(code)
    plugs.run(root, provider="openai")
    code.then = shorten
    plugs.run(root, provider="openai")
    assert code.ids == ["q-1"]
    plugs.decide(decide.process, root, provider="openai")
    (_, first), (_, second) = code.calls
    assert (second.token, first.redelivery, second.redelivery) == (first.token, False, True)
    assert [content(line) for line in child_lines(root)] == [SHORT]
    sound(root)


def test_dismiss_gives_up_what_it_failed_on(root: Path) -> None:
    """`dismiss` settles a batch whose requests could not be changed."""
    put_long(root, 1)
    plugs = changing(raising(ValueError("no")))
    assert plugs.run(root, provider="openai").exit_code == 3
    decision = plugs.decide(decide.dismiss, root, provider="openai")
    assert decision.report.batch("1").state is State.SETTLED
    assert manifest(root, "1")["coverage"]["dismissed"]["requests"] == 1
    sound(root)


def test_a_transient_error_is_nobodys_fault(root: Path) -> None:
    """A TransientError ends the pass of this batch; the next pass calls again, as a redelivery."""
    put_long(root, 1)
    code = Noting(raising(TransientError("try later")))
    plugs = changing(code)
    assert plugs.run(root, provider="openai").exit_code == 1
    code.then = shorten
    assert plugs.run(root, provider="openai").batch("1").state is State.SETTLED
    assert [failure.redelivery for _, failure in code.calls] == [False, True]
    sound(root)


def test_async_code(root: Path) -> None:
    """An async function changes requests likewise, many at a time, and the child keeps the input's order."""
    under_way: list[int] = []
    most = 0

    async def change(asked: dict[str, Any]) -> Any:
        nonlocal most
        under_way.append(1)
        most = max(most, len(under_way))
        for _ in range(10 - int(asked["custom_id"][2:])):
            await asyncio.sleep(0)
        under_way.pop()
        return shorten(asked)

    put_long(root, *range(1, 9), count=9)
    changing(change).run(root, provider="openai")
    assert [line["custom_id"] for line in child_lines(root)] == [f"q-{n}" for n in range(1, 9)]
    assert most > 1
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


def test_retry_says_why_nothing_is_left(root: Path) -> None:
    """By hand too, what code cannot change is not sent, and the refusal gives its reason."""
    put_long(root, 1)
    code = Noting(lambda _asked: None)
    plugs = changing(code)
    plugs.run(root)
    with pytest.raises(NeedsPerson) as caught:
        plugs.decide(decide.retry, root)
    assert "1 given up (it returned None)" in str(caught.value)
    code.then = shorten
    plugs.decide(decide.retry, root)
    assert [failure.redelivery for _, failure in code.calls] == [False, True]
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


def test_a_changed_line_without_a_record_is_found(root: Path) -> None:
    """The same where no change was made, and for a child whose own metadata was made to fit."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    Plugs().run(root, provider="openai")
    path = live(root) / "batch_input_1.r1.jsonl"
    path.write_bytes(path.read_bytes().replace(b"question", b"9uestion"))
    found = [each.what for each in check(str(root), settings()).findings]
    assert any("no change of them is recorded" in what for what in found)


def test_code_that_never_says_the_same_twice() -> None:
    """Stopped before any change, what was durable first goes to the child, whatever code says later."""
    trip = Trip()
    for point in range(200):
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
            told = made.read_bytes() if point and made.exists() else None
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
        if point and not trip.reached:
            return
    raise AssertionError("it never ends")
