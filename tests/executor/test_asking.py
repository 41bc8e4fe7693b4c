"""
An error processor says what becomes of each failure, within the limits of provider and attempts.

Each test makes real passes over a real workspace with a function plugged in.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import decide
from reconciler.errors import TransientError
from reconciler.model.exchange import Result
from reconciler.model.failure import FailedForGood
from reconciler.model.report import State
from reconciler.model.words import many
from reconciler.processors.base import BatchContext, ProcessedBatch
from tests.plugging import Plugs, Seen, sound
from tests.workspace.faults import Crash
from tests.workspaces import (
    answered,
    failed,
    files,
    live,
    manifest,
    put,
    record,
    request,
    results,
    scratch,
    stats,
)

RATE_LIMIT: Final = 429
BAD_REQUEST: Final = 400


@pytest.fixture
def root() -> Iterator[Path]:
    """A workspace: one answer, two failures that are asked again by themselves and two that are not."""
    with scratch() as folder:
        root = folder / "w"
        put(
            root,
            "1",
            input=[request(n) for n in range(5)],
            output=[answered(0)],
            error=[
                failed(4, BAD_REQUEST),
                failed(2, RATE_LIMIT),
                failed(1, RATE_LIMIT),
                failed(3, BAD_REQUEST),
            ],
        )
        yield root


def saying(**words: Any) -> Seen:
    """A processor of records that has an answer for some ids, by number: `q1="retry"`."""
    return Seen(lambda result: words.get(result.custom_id.replace("-", "")))


def of_whole(words: Any) -> Callable[[ProcessedBatch], Any]:
    """A processor of batches that has this answer."""

    def answer(batch: ProcessedBatch) -> Any:
        assert [each.custom_id for each in batch.results()] == [f"q-{n}" for n in range(1, 5)]
        return words

    return answer


def of_each(words: Any) -> Callable[[Result], Any]:
    """A processor of records that says the same as `of_whole`."""

    def answer(result: Result) -> Any:
        return words.get(result.custom_id) if isinstance(words, dict) else words

    return answer


def retried(root: Path, name: str = "1") -> list[str]:
    """The ids whose line says that a child asks them again."""
    return [line["custom_id"] for line in results(root, name) if line["outcome"] == "retried"]


def asked_again(root: Path) -> list[str]:
    """The ids in the input of the first child."""
    path = live(root) / "batch_input_1.r1.jsonl"
    return [f"q-{n}" for n in range(5) if path.exists() and f'"q-{n}"'.encode() in path.read_bytes()]


def receipt(root: Path) -> dict[str, Any]:
    """What is kept of the error processor."""
    settled = (root / "done" / "1").exists()
    found: dict[str, Any] = (manifest(root, "1") if settled else record(root, "1"))["receipts"][
        "process-errors"
    ]
    return found


TABLE: Final = [
    pytest.param({}, ["q-1", "q-2"], 0, id="nothing-to-say"),
    pytest.param({"q-3": "retry"}, ["q-1", "q-2", "q-3"], 0, id="retry-what-is-not"),
    pytest.param({"q-1": "retry"}, ["q-1", "q-2"], 0, id="retry-what-is"),
    pytest.param({"q-1": "give-up"}, ["q-2"], 0, id="give-up-what-is-not"),
    pytest.param({"q-3": "give-up"}, ["q-1", "q-2"], 0, id="give-up-what-is"),
    pytest.param({"q-1": "give-up", "q-2": "give-up"}, [], 0, id="give-up-all"),
    pytest.param({"q-4": "retry", "q-1": "give-up"}, ["q-2", "q-4"], 0, id="both"),
    pytest.param({"q-1": "attention"}, ["q-2"], 1, id="attention-instead-of-a-retry"),
    pytest.param({"q-3": "attention"}, ["q-1", "q-2"], 1, id="attention-instead-of-an-end"),
    pytest.param("retry", ["q-1", "q-2", "q-3", "q-4"], 0, id="retry-all"),
    pytest.param("give-up", [], 0, id="give-up-everything"),
    pytest.param("attention", [], 4, id="attention-for-all"),
]


@pytest.mark.parametrize("make", [of_each, of_whole], ids=["record", "batch"])
@pytest.mark.parametrize(("words", "again", "attention"), TABLE)
def test_what_it_says_is_done(
    root: Path, make: Callable[..., Any], words: Any, again: list[str], attention: int
) -> None:
    """What it says goes over the class of the failure; None leaves it at that."""
    report = Plugs(Seen(), error=make(words)).run(root, provider="openai")
    assert asked_again(root) == again
    assert retried(root) == again
    assert report.batch("1").state is (State.ATTENTION if attention else State.SETTLED)
    assert len(receipt(root)["attention"]) == attention
    assert "faults" not in receipt(root)
    if attention:
        assert isinstance(report.batch("1").failure, FailedForGood)
        told = next(each.summary for each in report.batch("1").receipts if each.verb == "process-errors")
        assert f"; {many(attention, 'request')} for a person to look at" in told
    sound(root)


def test_what_it_gets(root: Path) -> None:
    """It gets each failure with its class, a token of its own, and what is planned for it."""
    seen = Seen(lambda _result: None)
    Plugs(error=seen).run(root, provider="openai")
    told = [(each.custom_id, str(each.error_class), each.planned) for each in seen.calls]
    assert told == [
        ("q-1", "rate-limit", "retry"),
        ("q-2", "rate-limit", "retry"),
        ("q-3", "invalid-request", "give-up"),
        ("q-4", "invalid-request", "give-up"),
    ]
    assert len(set(seen.tokens.values())) == 4
    assert {(each.batch, each.attempt, each.redelivery) for each in seen.calls} == {("1", 1, False)}


def test_later(root: Path) -> None:
    """An async function is asked the same."""

    async def later(result: Result) -> Any:
        await asyncio.sleep(0)
        return "retry" if result.custom_id == "q-3" else None

    Plugs(error=later).run(root, provider="openai")
    assert asked_again(root) == ["q-1", "q-2", "q-3"]


@pytest.mark.parametrize(
    ("flags", "statuses", "operations"),
    [
        pytest.param(
            {"provider": "openai"}, (429, 400), ("summary", "retry"), id="something-may-be-asked-again"
        ),
        pytest.param({"provider": "openai"}, (400, 400), ("summary",), id="nothing-may"),
        pytest.param({}, (429, 400), ("summary",), id="nobody-to-ask"),
        pytest.param(
            {"provider": "openai", "max_attempts": 1}, (429, 400), ("summary",), id="no-attempt-left"
        ),
    ],
)
def test_what_is_planned(
    root: Path, flags: dict[str, Any], statuses: tuple[int, int], operations: tuple[str, ...]
) -> None:
    """A processor of batches is told which operations are planned for the failures."""
    put(root, "2", input=[request(0), request(1)], error=[failed(n, each) for n, each in enumerate(statuses)])
    found: dict[str, BatchContext] = {}

    def look(batch: ProcessedBatch, context: BatchContext) -> None:
        found[batch.name] = context
        context.publish("report.txt", f"{batch.failed} failed")

    Plugs(error=look).run(root, **flags)
    assert found["2"].operations == operations
    assert (root / "target" / "2.errors" / "report.txt").read_bytes() == b"2 failed"


def test_nobody_to_ask(root: Path) -> None:
    """Without a provider nothing is asked again, whatever it says."""
    seen = Seen(lambda _result: "retry")
    assert Plugs(error=seen).run(root).exit_code == 0
    assert {each.planned for each in seen.calls} == {"give-up"}
    assert (asked_again(root), retried(root)) == ([], [])
    sound(root)


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (2, True), (3, False), (4, False)])
def test_never_more_often_than_allowed(root: Path, attempt: int, again: bool) -> None:  # noqa: FBT001 - a row
    """Where the attempts are used up, nothing is asked again, whatever it says."""
    known = {"schema": 1, "generation": 1, "name": "1", "attempt": attempt}
    put(root, "1", metadata=known)
    Plugs(error=lambda result: "retry").run(root, provider="openai")  # noqa: ARG005 - the name of a parameter
    assert asked_again(root) == (["q-1", "q-2", "q-3", "q-4"] if again else [])


def raises(_result: Result) -> Any:
    """Fail."""
    raise ValueError("no use")


def raises_whole(_batch: ProcessedBatch, _context: BatchContext) -> Any:
    """Fail."""
    raise ValueError("no use")


def bad_data(_batch: ProcessedBatch, context: BatchContext) -> Any:
    """Publish what is no data."""
    context.publish("a.txt", 7)  # type: ignore[arg-type]


class Hostile:
    """What cannot be compared, hashed or shown."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("the truth value is ambiguous")

    __hash__ = None  # type: ignore[assignment]  # as of any list

    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        pytest.param(raises, "ValueError: no use", id="raises"),
        pytest.param(lambda result: "again", "returned 'again', expected retry", id="unknown-word"),  # noqa: ARG005
        pytest.param(lambda result: 7, "returned 7, expected", id="number"),  # noqa: ARG005 - the name of a parameter
        pytest.param(lambda result: ["retry"], "returned ['retry'], expected", id="list"),  # noqa: ARG005 - likewise
        pytest.param(lambda result: True, "returned True, expected", id="true"),  # noqa: ARG005 - likewise
        pytest.param(lambda result: Hostile(), "returned a Hostile, expected retry", id="hostile"),  # noqa: ARG005
        pytest.param(raises_whole, "ValueError: no use", id="batch-raises"),
        pytest.param(lambda batch: ["retry"], "returned ['retry'], expected", id="batch-list"),  # noqa: ARG005
        pytest.param(lambda batch: object(), "NoJson: returned object", id="batch-object"),  # noqa: ARG005
        pytest.param(bad_data, "TypeError: ", id="batch-bad-data"),
    ],
)
def test_what_is_no_answer(root: Path, function: Callable[..., Any], fault: str) -> None:
    """What is no answer is for a person to look at: nothing is asked again, and the receipt says why."""
    report = Plugs(Seen(), error=function).run(root, provider="openai")
    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION)
    assert asked_again(root) == []
    assert len(receipt(root)["attention"]) == 4
    assert receipt(root)["faults"][0].startswith(fault)
    assert len(receipt(root)["faults"]) <= 5
    before = stats(root)
    assert Plugs(Seen(), error=function).run(root, provider="openai").exit_code == 3
    assert stats(root) == before


def test_one_word_of_many_is_none(root: Path) -> None:
    """One unknown word concerns one request only."""
    Plugs(error=of_whole({"q-1": "perhaps"})).run(root, provider="openai")
    assert asked_again(root) == ["q-2"]
    assert len(receipt(root)["attention"]) == 1


def test_ids_that_did_not_fail(root: Path) -> None:
    """Answers for ids that did not fail change nothing, and the receipt names them."""
    Plugs(error=of_whole({"q-0": "retry", "q-9": "give-up", "q-3": "retry"})).run(root, provider="openai")
    assert asked_again(root) == ["q-1", "q-2", "q-3"]
    assert receipt(root)["faults"] == ["answered for ids that did not fail: q-0, q-9"]


def test_another_version_is_asked_again(root: Path) -> None:
    """A mended processor is asked once more, with other tokens, and the batch settles."""
    first, second = saying(q1="attention"), saying(q1="retry")
    Plugs(error=first).run(root)
    assert Plugs(error=second, version="2").run(root).exit_code == 0
    assert second.ids == first.ids
    assert second.redelivered == {False}
    assert not set(first.tokens.values()) & set(second.tokens.values())


def test_what_a_re_run_may_mend(root: Path) -> None:
    """A TransientError decides nothing: exit 1, no child, and the next pass asks with the same tokens."""
    first = Seen()

    def busy(result: Result) -> Any:
        first(result)
        raise TransientError("busy")

    assert Plugs(error=busy).run(root, provider="openai").exit_code == 1
    assert asked_again(root) == []
    again = saying()
    assert Plugs(error=again).run(root, provider="openai").batch("1").state is State.SETTLED
    assert again.redelivered == {True}
    assert again.tokens.items() >= first.tokens.items()


def test_a_person_gives_up(root: Path) -> None:
    """`dismiss` settles a batch that it wants a person to look at; it is not asked for that."""
    seen = Seen(lambda _result: "attention")
    Plugs(error=seen).run(root)
    decision = Plugs(error=seen).decide(decide.dismiss, root)
    assert decision.exit_code == 0
    assert len(seen.calls) == 4
    assert [line["outcome"] for line in results(root, "1")] == ["answered"] + ["dismissed"] * 4
    sound(root)


def test_no_failure_nobody_asked(root: Path) -> None:
    """Where nothing failed, it is not called."""
    put(root, "2", input=[request(0)], output=[answered(0)])
    seen = Seen(lambda _result: None)
    Plugs(error=seen).run(root)
    assert {each.batch for each in seen.calls} == {"1"}


def test_both_processors(root: Path) -> None:
    """The output processor gets the answers, the error processor the failures, each once."""
    output, error = Seen(), saying(q3="retry")
    Plugs(output, error=error).run(root, provider="openai")
    assert (output.ids, error.ids) == (["q-0"], ["q-1", "q-2", "q-3", "q-4"])
    assert [line["value"] for line in results(root, "1")] == ["answer 0", None, None, None, None]
    assert asked_again(root) == ["q-1", "q-2", "q-3"]


def test_what_a_child_owns_is_not_asked_about(root: Path) -> None:
    """A processor that comes later gets the failures that no child asks again, and no others."""
    Plugs(Seen()).run(root, provider="openai", failed="attention")
    assert asked_again(root) == ["q-1", "q-2"]
    seen = saying()
    assert Plugs(Seen(), error=seen).run(root, provider="openai").batch("1").state is State.SETTLED
    assert seen.ids == ["q-3", "q-4"]
    sound(root)


@attrs.define
class BeforeTheMove:
    """A tap that ends the process when the batch begins to move, so that its ids are the child's already."""

    reached: bool = False

    def __call__(self, _change: str, path: str) -> None:
        """End the process there."""
        if path.startswith("done"):
            self.reached = True
            raise Crash


def test_what_went_to_a_child_is_not_asked_again(root: Path) -> None:
    """After a crash between hand-over and move, nobody is asked again, and no second child is made."""
    seen = saying(q3="retry", q1="give-up")
    tap = BeforeTheMove()
    with pytest.raises(Crash):
        Plugs(error=seen, tap=tap).run(root, provider="openai")
    assert tap.reached
    assert asked_again(root) == ["q-2", "q-3"]
    before = (live(root) / "batch_input_1.r1.jsonl").read_bytes()
    report = Plugs(error=seen).run(root, provider="openai")
    assert report.batch("1").state is State.SETTLED
    assert len(seen.calls) == 4
    assert [path for path in files(root) if ".r2" in path] == []
    assert (live(root) / "batch_input_1.r1.jsonl").read_bytes() == before
    sound(root)
