"""
What somebody does between a plan and its effects: it is noticed, and nothing is lost or asked twice.

A watcher that is told of a plan, and a tap that is told of a change, are where a test can be that somebody.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler import engine
from reconciler.check import check
from reconciler.model.plan import Plan
from reconciler.model.report import Report, State
from reconciler.session import Options, Unwatched
from tests.workspaces import (
    answered,
    encoded,
    failed,
    files,
    ledger,
    leftovers,
    live,
    manifest,
    put,
    record,
    request,
    results,
    run,
    scratch,
    settings,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


@attrs.define
class Meddling(Unwatched):
    """Somebody who does something once a plan with a certain step is made, before it is carried out."""

    verb: str
    act: Callable[[], object]
    acted: bool = False

    def planned(self, decision: Plan) -> None:
        """Do it, once."""
        if not self.acted and any(step.verb == self.verb for step in decision.steps):
            self.acted = True
            self.act()


def meanwhile(root: Path, verb: str, act: Callable[[], object], **flags: Any) -> Report:
    """A pass in which somebody acts just before the first plan that does *verb*."""
    watcher = Meddling(verb, act)
    report = engine.reconcile(str(root), settings(**flags), Options(watcher=watcher))
    assert watcher.acted, report
    return report


def put_leftovers(root: Path) -> None:
    """A batch with an answer and a failure that is asked again."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 500)])


def sound(root: Path) -> None:
    """No promise is broken and nothing temporary is left."""
    assert check(str(root), settings()).findings == []
    assert leftovers(root) == []


def after_matching(act: Callable[[], object]) -> Callable[[str, str], None]:
    """A tap that acts when the verdict on batch 7 is in its metadata, and before that is looked at again."""
    state = {"written": False, "done": False}

    def tap(change: str, path: str) -> None:
        state["written"] |= (change, path) == ("rename", "workdir/batch_metadata_7.jsonl")
        if state["written"] and not state["done"] and change == "fsync-folder":
            state["done"] = True
            act()

    return tap


@pytest.mark.parametrize("theirs", [b"", b"not metadata\n", b'{"schema": 1, "generation": 1}\n'])
def test_the_name_of_a_child_that_somebody_takes_at_the_last_moment(root: Path, theirs: bytes) -> None:
    """Whatever they put there stays byte for byte, no ids go over, and a later pass takes the next name."""
    put_leftovers(root)
    path = live(root) / "batch_metadata_7.r1.jsonl"
    report = meanwhile(root, "retry-leftovers", lambda: path.write_bytes(theirs), provider="openai")
    assert report.batch("7").state is State.ATTENTION
    assert "workdir/batch_metadata_7.r1.jsonl is there already" in report.batch("7").because
    assert "move the files of 7.r1 out of the workspace" in report.batch("7").hint
    assert path.read_bytes() == theirs
    assert not (root / "done").exists()
    assert run(root, provider="openai").batch("7").state is State.SETTLED
    assert path.read_bytes() == theirs
    assert (live(root) / "batch_input_7.r2.jsonl").read_bytes() == encoded(request(1)) + b"\n"


def test_ids_that_a_child_has_by_then_are_not_given_to_another(root: Path) -> None:
    """Metadata that names their child comes back after the plan: the plan is dropped, and one child asks."""
    put_leftovers(root)
    given: list[dict[str, Any]] = []

    def before_the_move(change: str, path: str) -> None:
        if (change, path) == ("mkdir", "done"):
            given.append(record(root, "7"))
            raise OSError(28, "No space left on device", path)

    run(root, tap=before_the_move, provider="openai")
    (after,) = given
    child = files(root)["workdir/batch_input_7.r1.jsonl"]
    (live(root) / "batch_metadata_7.jsonl").unlink()

    def bring_back() -> None:
        put(root, "7", metadata={**after, "generation": record(root, "7")["generation"]})

    report = meanwhile(root, "retry-leftovers", bring_back, provider="openai")
    assert report.batch("7").state is State.SETTLED, report
    assert list(manifest(root, "7")["children"]) == ["7.r1"]
    assert files(root)["workdir/batch_input_7.r1.jsonl"] == child
    assert "workdir/batch_input_7.r2.jsonl" not in files(root)
    sound(root)


@pytest.mark.parametrize("error", [[failed(1, 500)], [failed(1)]], ids=["with-leftovers", "without"])
def test_metadata_without_an_account_that_comes_back_is_counted_anew(root: Path, error: list[Any]) -> None:
    """An older copy takes the place of the metadata once ids were counted: they are counted again at once."""
    old = {"schema": 1, "generation": 9, "name": "7", "attempt": 1, "provider": "openai"}
    put(root, "7", input=[request(0), request(1)], output=[answered(0)], error=error)
    tap = after_matching(lambda: put(root, "7", metadata=old))
    assert run(root, tap=tap, provider="openai").batch("7").state is State.SETTLED
    assert [row["outcome"] for row in results(root, "7")] == [
        "answered",
        "retried" if error != [failed(1)] else "failed",
    ]
    assert sum(each["event"] == "batch.settled" for each in ledger(root)) == 1
    sound(root)


def put_known(root: Path) -> dict[str, Any]:
    """A batch that was sent earlier, with an answer to each request; gives its metadata."""
    old = {"schema": 1, "generation": 3, "name": "7", "attempt": 1, "provider": "openai"}
    put(root, "7", input=[request(0)], output=[answered(0)], metadata=old)
    return old


def test_metadata_that_is_written_anew_after_the_plan(root: Path) -> None:
    """What was planned on older metadata is dropped, and what is there now is planned on."""
    old = put_known(root)
    report = meanwhile(root, "match-request-ids", lambda: put(root, "7", metadata={**old, "generation": 8}))
    assert report.batch("7").state is State.SETTLED
    assert json.loads(files(root)["done/7/batch_metadata_7.jsonl"])["generation"] > 8
    sound(root)


def test_metadata_that_is_torn_after_the_plan(root: Path) -> None:
    """The plan is dropped, nothing moves, and metadata that cannot be read is a person's affair."""
    put_known(root)
    path = live(root) / "batch_metadata_7.jsonl"
    report = meanwhile(root, "match-request-ids", lambda: path.write_bytes(b'{"schema": 1, "gen'))
    assert report.batch("7").state is State.ATTENTION
    assert "batch_metadata_7.jsonl" in report.batch("7").because
    assert path.read_bytes() == b'{"schema": 1, "gen'
    assert {path.name for path in live(root).iterdir()} >= {"batch_input_7.jsonl", "batch_output_7.jsonl"}
    assert not (root / "done").exists()
