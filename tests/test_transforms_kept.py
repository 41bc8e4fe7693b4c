"""
What becomes of failed requests that user code could not change, or must not have changed as it did.

Each test makes real passes over a real workspace with a function plugged in.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler import decide, engine
from reconciler.errors import NeedsPerson, PermanentError, TransientError
from reconciler.executor.changing import REASONS
from reconciler.explaining import explain
from reconciler.model.report import State
from reconciler.model.rows import Standing
from tests.changing import (
    SHORT,
    TOO_LONG,
    Noting,
    changing,
    child_lines,
    content,
    kept,
    put_long,
    raising,
    shorten,
)
from tests.plugging import sound
from tests.workspace.faults import Crash
from tests.workspaces import (
    answered,
    failed,
    live,
    manifest,
    put,
    request,
    results,
    scratch,
    settings,
    tree,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def other_id(asked: dict[str, Any]) -> Any:
    """Another request."""
    return {**shorten(asked), "custom_id": "q-9"}


def other_url(asked: dict[str, Any]) -> Any:
    """A request for another endpoint."""
    return {**shorten(asked), "url": "/v1/embeddings"}


def other_shape(asked: dict[str, Any]) -> Any:
    """A request of another provider."""
    return {"custom_id": asked["custom_id"], "params": asked["body"]}


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


def other_model(asked: dict[str, Any]) -> Any:
    """A request for another model."""
    return {**asked, "body": {**asked["body"], "model": "larger"}}


@pytest.mark.parametrize(
    ("then", "why"),
    [
        pytest.param(raising(ValueError("no shorter")), "ValueError: no shorter", id="raises"),
        pytest.param(raising(PermanentError("never")), "PermanentError: never", id="permanent"),
        pytest.param(raising(SystemExit(3)), "SystemExit: 3", id="exits"),
        pytest.param(other_id, "it returned a request with another id", id="id"),
        pytest.param(other_url, "it returned a request of another shape, or for another url", id="url"),
        pytest.param(other_shape, "it returned a request of another shape, or for another url", id="shape"),
        pytest.param(lambda asked: {**asked, "body": {"it": nested(900)}}, "it returned ", id="deep"),
        pytest.param(lambda asked: {**asked, "body": {"it": nested(9000)}}, "it returned ", id="deeper"),
        pytest.param(other_model, "it returned a request for another model", id="model"),
        pytest.param(lambda asked: {**asked, "pad": "x" * 4096}, "it returned more than", id="long"),
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
    report = changing(code).run(root, provider="openai", line_bytes=4096)
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
    changing(code).run(root, provider="openai", line_bytes=4096)
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
    collected = "1 request given up (failed-items/1.jsonl)"
    assert report.batch("1").because == f"moved to done/1/; {collected}; of its failures 1 given up ({why})"
    assert report.batch("1").hint == ""
    assert [row["outcome"] for row in results(root, "1")] == ["answered", "failed", "retried", "answered"]
    assert manifest(root, "1")["receipts"]["change-requests"]["kept"][0]["why"] == why
    (life,) = explain(str(root), settings(), "q-1").lives
    assert (life.outcome, life.attempts[0].unchanged) == (Standing.FAILED, why)
    sound(root)


def test_more_reasons_than_are_kept_apart(root: Path) -> None:
    """Code with a reason of its own for each request does not make metadata grow: the last ones share one."""
    count = REASONS + 3
    put_long(root, *range(count), count=count)

    def each_its_own(asked: dict[str, Any]) -> Any:
        raise ValueError(f"no {asked['custom_id']}")

    assert changing(each_its_own).run(root, provider="openai").exit_code == 3
    found = kept(root)
    assert found[0] == ("ValueError: no q-0", True, 1)
    assert found[REASONS:] == [("further reasons, each of its own", True, 3)]
    assert not list(live(root).glob("*.r1.jsonl"))
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


def test_what_was_changed_waits_while_a_child_takes_others(root: Path) -> None:
    """A child of another class leaves the changed lines for the next child; the code is called once."""
    asked = [request(n) for n in range(3)]
    put(root, "1", input=asked, output=[answered(0)], error=[failed(1, TOO_LONG), failed(2, 429)])
    code = Noting()
    plugs = changing(code)

    def before_the_child(change: str, path: str) -> None:
        if change == "create" and path.endswith("batch_metadata_1.r1.jsonl"):
            raise Crash

    options = attrs.evolve(plugs.options, tap=before_the_child)
    with pytest.raises(Crash):
        engine.reconcile(str(root), settings(provider="openai"), options)
    plugs.decide(partial(decide.retry, classes=["rate-limit"]), root, provider="openai")
    assert [line["custom_id"] for line in child_lines(root)] == ["q-2"]
    assert [content(line) for line in child_lines(root, "1.r2")] == [SHORT]
    assert code.ids == ["q-1"]
    assert not (root / ".reconciler/changed/1.jsonl").exists()
    sound(root)
