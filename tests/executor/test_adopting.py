"""A results file that is adopted: killed before any change, nothing is lost and the same command finishes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from reconciler.check import check
from reconciler.decide_online import adopt
from reconciler.errors import NeedsPerson, PermanentError
from reconciler.model.report import State
from reconciler.session import Options
from tests.workspace.faults import Crash, Trip
from tests.workspaces import (
    answered,
    failed,
    jsonl,
    leftovers,
    manifest,
    put,
    request,
    run,
    scratch,
    settings,
)


def adopted(root: Path, path: Path, trip: Trip) -> None:
    """Adopt, with a tap; refused where an earlier attempt has come to its end."""
    with contextlib.suppress(NeedsPerson):
        adopt(str(root), settings(), "1", str(path), Options(tap=trip))


def killed_before(at: int) -> bool:
    """Kill it before its *at*-th change, look at what a pass makes of that, and adopt again."""
    with scratch() as folder:
        root, path = folder / "w", folder / "mine.jsonl"
        put(root, "1", input=[request(n) for n in range(3)])
        path.write_bytes(jsonl([answered(2), failed(1), answered(0)]))
        trip = Trip(at, sticky=True)
        with contextlib.suppress(Crash):
            adopted(root, path, trip)
        if not trip.reached:
            return False
        between = run(root)
        states = {each.state for each in between.batches}
        # Half of the answers is never taken for all of them.
        assert states <= {State.HELD, State.ATTENTION, State.SETTLED}
        assert not list(root.glob("quarantine/*"))
        adopted(root, path, Trip())
        run(root)
        parts = manifest(root, "1")["coverage"]
        assert (parts["answered"]["requests"], parts["failed"]["requests"]) == (2, 1)
        assert check(str(root), settings()).findings == []
        assert leftovers(root) == []
        return True


def test_killed_before_any_change() -> None:
    """Whatever the change was, the batch settles with every answer after the same command."""
    at = 1
    while killed_before(at):
        at += 1
    assert at > 20


def test_a_file_that_changes_meanwhile_is_not_taken_over(tmp_path: Path) -> None:
    """Bytes that were not held to the ids never become answers."""
    root, path = tmp_path / "w", tmp_path / "mine.jsonl"
    put(root, "1", input=[request(0), request(1)])
    path.write_bytes(jsonl([answered(0), answered(1)]))

    def meddle(change: str, where: str) -> None:
        if change == "create" and where.endswith("batch_output_1.jsonl"):
            path.write_bytes(jsonl([answered(0), answered(7)]))

    with pytest.raises(PermanentError, match="never asked"):
        adopt(str(root), settings(), "1", str(path), Options(tap=meddle))

    assert not (root / "workdir" / "batch_output_1.jsonl").exists()
    assert not (root / "done").exists()
    assert leftovers(root) == []


def test_answers_to_an_input_that_was_changed(tmp_path: Path) -> None:
    """Metadata knows which input was sent; answers to it are not taken for those of another one."""
    root, path = tmp_path / "w", tmp_path / "mine.jsonl"
    sent = {"sha256": "0" * 64, "bytes": len(jsonl([request(0)])), "requests": 1, "ids": "0" * 32}
    known = {"schema": 1, "generation": 1, "name": "1", "provider": "openai", "input": sent}
    put(
        root,
        "1",
        input=[request(0)],
        metadata={**known, "state": "creating", "intent": "0" * 32, "sent_at": 1},
    )
    path.write_bytes(jsonl([answered(0)]))
    with pytest.raises(PermanentError, match="is not the one that its metadata knows"):
        adopt(str(root), settings(provider="openai"), "1", str(path))
    assert not list((root / "workdir").glob("batch_output*"))
