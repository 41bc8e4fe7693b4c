"""The Python API for batches at a provider, against the fake provider on loopback."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler import Request, State, UserError, Workspace, reconcile
from reconciler.errors import NeedsPerson, PermanentError, UsageError
from reconciler.testing import FakeProvider, Fate
from tests.workers import chat
from tests.workspaces import answered, jsonl, put, request

QUICK = {"provider.per_batch_delay": 0.0, "policy.settle_seconds": 0.0, "provider.poll_seconds": 1.0}
LATER = Fate(polls=99)


@pytest.fixture
def fake(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """A provider whose batches take long, reached by environment as by any official client."""
    monkeypatch.setenv("OPENAI_API_KEY", fake_provider.key)
    monkeypatch.setenv("OPENAI_BASE_URL", fake_provider.url("openai"))
    fake_provider.default(LATER)
    return fake_provider


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with one input."""
    put_input(tmp_path / "w", "1")
    return Workspace.open(tmp_path / "w", provider="openai", settings=QUICK)


def put_input(root: Path, name: str, start: int = 0) -> None:
    """An input of three requests that was written an hour ago."""
    put(root, name, input=[request(start + n) for n in range(3)])
    path = root / "workdir" / f"batch_input_{name}.jsonl"
    os.utime(path, (path.stat().st_mtime - 3600,) * 2)


def test_a_pass_sends(workspace: Workspace, fake: FakeProvider) -> None:
    """A pass sends, and reports the batch as waiting."""
    report = workspace.reconcile()

    assert (report.batch("1").state, report.exit_code, len(fake.batches)) == (State.WAITING, 75, 1)


def test_submit_is_for_what_is_left_to_a_person(workspace: Workspace, fake: FakeProvider) -> None:
    """Under the policy `manual` only `submit` sends."""
    manual = Workspace.open(workspace.path, provider="openai", settings={**QUICK, "policy.submit": "manual"})
    assert manual.batch("1").reconcile().state is State.HELD

    decision = manual.batch("1").submit()

    assert (len(fake.batches), decision.exit_code) == (1, 75)
    assert decision.told == (f"1: 3 requests sent to openai as {fake.batches[0].id}",)
    with pytest.raises(NeedsPerson):
        manual.submit("1")


def test_cancel(workspace: Workspace, fake: FakeProvider) -> None:
    """`cancel` asks the provider for an end."""
    workspace.reconcile()

    decision = workspace.batch("1").cancel()

    assert (fake.calls.count("cancel"), len(decision.told)) == (1, 1)


def test_resubmit_sends_nothing_that_is_there(workspace: Workspace, fake: FakeProvider) -> None:
    """A batch that the provider has is not sent again."""
    workspace.reconcile()

    with pytest.raises(NeedsPerson, match="nothing was sent"):
        workspace.batch("1").resubmit()
    assert len(fake.batches) == 1


def test_adopt_by_id(workspace: Workspace, fake: FakeProvider) -> None:
    """A remote batch is taken over under its id."""
    workspace.reconcile()
    (Path(workspace.path) / "workdir" / "batch_metadata_1.jsonl").unlink()

    decision = workspace.batch("1").adopt(fake.batches[0].id)

    assert (decision.told, decision.exit_code) == ((f"1: adopted {fake.batches[0].id}",), 75)


def test_adopt_a_file(workspace: Workspace, tmp_path: Path) -> None:
    """A results file is taken over by its path; one of other requests is refused."""
    path, other = tmp_path / "mine.jsonl", tmp_path / "other.jsonl"
    path.write_bytes(jsonl([answered(n) for n in range(3)]))
    other.write_bytes(jsonl([answered(9)]))

    with pytest.raises(PermanentError, match="never asked"):
        workspace.batch("1").adopt(other)
    decision = workspace.batch("1").adopt(path)

    assert decision.report.batch("1").state is State.SETTLED


def doubling(asked: Request) -> dict[str, Any]:
    """Answers live."""
    return chat(f"live {asked.custom_id}")


def test_rescue(workspace: Workspace, fake: FakeProvider) -> None:
    """A stuck batch is stopped, and a function of the caller's answers what is left, each request once."""
    workspace.reconcile()
    calls: list[str] = []

    async def worker(asked: Request) -> dict[str, Any]:
        calls.append(asked.custom_id)
        return doubling(asked)

    decision = workspace.batch("1").rescue(worker=worker, wait=True, timeout=60)

    assert (decision.exit_code, fake.calls.count("cancel"), len(fake.batches)) == (0, 1, 1)
    assert sorted(calls) == sorted({row.custom_id for row in workspace.results() if row.batch == "1.r1"})
    live = {row.custom_id: row.text for row in workspace.results() if row.batch == "1.r1"}
    assert live == {each: f"live {each}" for each in calls}
    assert len(calls) > 0
    assert workspace.batch("1").rescue(worker=worker).exit_code == 0
    assert len(calls) == len(live)


def test_a_rescue_goes_on_where_it_was(workspace: Workspace, fake: FakeProvider) -> None:
    """Without a wait it ends with 75 while the provider is stopping; the same call again goes on."""
    fake.default(attrs.evolve(LATER, cancelling=2))
    workspace.reconcile()
    codes = [workspace.rescue("1", worker=doubling).exit_code for _ in range(4)]
    assert (codes[0], codes[-1]) == (75, 0)
    assert fake.calls.count("cancel") == 1
    assert all(row.text is not None for row in workspace.results())


def test_a_rescue_wants_a_worker(workspace: Workspace, fake: FakeProvider) -> None:
    """Without one that was chosen nothing is stopped; a timeout goes with a wait; `echo` may be named."""
    workspace.reconcile()
    with pytest.raises(NeedsPerson, match="no worker is chosen"):
        workspace.rescue("1")
    with pytest.raises(UsageError):
        workspace.rescue("1", worker=doubling, timeout=1.0)
    assert fake.calls.count("cancel") == 0
    assert [workspace.rescue("1", worker="echo").exit_code for _ in range(3)][-1] == 0


def test_audit(workspace: Workspace, fake: FakeProvider) -> None:
    """What the provider keeps, in numbers."""
    workspace.reconcile()

    found = workspace.audit()

    (held,) = found.held
    assert (held.provider, held.batches, held.files, found.findings) == ("openai", 1, 1, ())
    assert len(fake.files) == 1


def test_wait_returns_when_nothing_waits(tmp_path: Path) -> None:
    """With `wait`, the report is that of all passes; where nothing waits, one is enough."""
    put_input(tmp_path / "w", "1")

    report = reconcile(tmp_path / "w", provider="local", wait=True, timeout=60)

    assert report.batch("1").state is State.SETTLED


def test_a_wait_can_be_ended(workspace: Workspace, fake: FakeProvider) -> None:
    """`stopping` ends a wait; the batch in flight is found by the next pass."""
    report = workspace.reconcile(wait=True, stopping=lambda: bool(fake.batches))

    assert (report.batch("1").state, report.exit_code) == (State.INTERRUPTED, 130)
    assert (workspace.reconcile().batch("1").state, len(fake.batches)) == (State.WAITING, 1)


def test_a_timeout_without_a_wait_is_a_mistake(workspace: Workspace) -> None:
    """It would be passed over in silence otherwise."""
    with pytest.raises(UsageError, match="wait=True"):
        workspace.reconcile(timeout=5)
    with pytest.raises(UserError):
        workspace.batch("1").reconcile(timeout=5)
