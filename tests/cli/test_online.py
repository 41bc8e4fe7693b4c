"""Batches at a provider, through the real command: they are sent, waited for, looked at, and settled."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Final

import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import Refuse
from tests.cli.calling import named
from tests.cli.remote import KEYS, There, put_input, reach
from tests.cli.test_interrupt import begin
from tests.workspaces import files

DAY: Final = 86_400.0


@pytest.fixture(params=["openai"])
def there(
    request: pytest.FixtureRequest,
    fake_provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> There:
    """A provider that the command reaches; `openai`, or the one that a test asks for."""
    return reach(fake_provider, request.param, monkeypatch, capsys)


every_provider: Final = pytest.mark.parametrize("there", list(KEYS), indirect=True)


# --- run ----------------------------------------------------------------------------------------------------


@every_provider
def test_wait_takes_an_input_to_done(there: There, workspace: Path) -> None:
    """`--wait` sends, asks, fetches and settles; each provider is paid for one batch."""
    put_input(workspace, there)

    said = there.call(workspace, "--wait")

    assert (said.code, there.creates()) == (0, 1), said
    assert "1  settled          4 answered; moved to done/1/" in said.out
    assert (workspace / "done" / "1" / "manifest.json").is_file()
    assert there.call("check", workspace).code == 0


@every_provider
def test_a_pass_sends_and_ends_with_75(there: There, workspace: Path) -> None:
    """Without `--wait`, the first pass sends and says that it is still in flight; a later one settles."""
    put_input(workspace, there)

    first = there.call("run", workspace)
    assert (first.code, f"{there.name} is still working on" in first.out) == (75, True), first
    there.fake.clock.advance(60)
    there.call(workspace)
    there.fake.clock.advance(60)

    assert (there.call(workspace).code, there.creates()) == (0, 1)


def test_the_interval_is_the_time_between_two_looks(there: There, workspace: Path) -> None:
    """`--interval` is how long `--wait` pauses, a tenth longer at the most, and never the same twice."""
    there.fake.default(Fate(polls=2))
    put_input(workspace, there)

    said = there.call(workspace, "--wait", "--interval", "15m", "--per-batch-delay", "0")

    assert said.code == 0
    assert len(there.pauses) == 3
    assert all(900 <= pause <= 990 for pause in there.pauses)
    assert len(set(there.pauses)) > 1


def test_the_delay_between_batches_is_kept(there: There, workspace: Path) -> None:
    """`--per-batch-delay` keeps two questions for different batches apart."""
    there.fake.default(Fate(seconds=DAY))
    for number in range(2):
        put_input(workspace, there, count=1, name=str(number), start=number)
    there.call(workspace, "--per-batch-delay", "0")

    there.call(workspace, "--per-batch-delay", "7")

    first, second = (call.at for call in there.fake.calls.of("get"))
    assert 6 < second - first <= 7


def test_retries_can_be_turned_off(there: There, workspace: Path) -> None:
    """With `--max-retries 0` a busy provider is asked once in a pass."""
    there.fake.fault("upload", Refuse(503), times=None)
    put_input(workspace, there)

    said = there.call(workspace, "--max-retries", "0")

    assert (said.code, there.fake.calls.count("upload")) == (1, 1), said


def test_the_timeout_ends_with_75_and_loses_nothing(there: There, workspace: Path) -> None:
    """`--wait --timeout` stops in time with 75; what is in flight is settled by a later command."""
    there.fake.default(Fate(seconds=DAY))
    put_input(workspace, there)
    began = there.fake.clock.now

    said = there.call(workspace, "--wait", "--interval", "10m", "--timeout", "1h")

    assert said.code == 75, said
    assert 3600 <= there.fake.clock.now - began < 3660
    assert (there.call(workspace, "--wait").code, there.creates()) == (0, 1)


def test_ctrl_c_while_waiting_ends_with_130_and_is_resumable(there: There, workspace: Path) -> None:
    """An interrupt between two passes ends with 130; the next command goes on, and pays for nothing twice."""
    there.fake.default(Fate(polls=5))
    put_input(workspace, there)
    there.meanwhile = there.interrupt

    said = there.call(workspace, "--wait")

    assert (said.code, "everything is resumable" in said.err) == (130, True), said
    assert (there.call(workspace, "--wait").code, there.creates()) == (0, 1)


def test_a_process_that_waits_hears_ctrl_c(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, an hour between two looks does not keep it from ending at once."""
    monkeypatch.setenv("RECONCILER_POLICY_SETTLE_SECONDS", "0")
    there.fake.default(Fate(seconds=DAY))
    put_input(workspace, there)
    waiting = begin(workspace, "--wait", "--interval", "1h")
    waiting.hear("1  submit: 4 requests sent to openai")
    waiting.send([signal.SIGINT])

    assert waiting.end().code == 130
    assert there.creates() == 1


def test_a_failed_request_is_asked_again(there: There, workspace: Path) -> None:
    """What a cut-short batch leaves unanswered goes to a child, which `--wait` settles too."""
    there.fake.script(Fate(end="expired", done=3))
    put_input(workspace, there)

    said = there.call(workspace, "--wait", "--json")

    rows = said.document["batches"]
    assert (said.code, {row["name"]: row["state"] for row in rows}) == (
        0,
        {"1": "settled", "1.r1": "settled"},
    )
    assert (named(rows, "1")["counts"]["retried"], named(rows, "1.r1")["counts"]["answered"]) == (1, 1)


# --- looking ------------------------------------------------------------------------------------------------


@every_provider
def test_looking_never_connects(there: There, workspace: Path) -> None:
    """`plan` and `status` ask nobody, neither for what would be sent nor for what is in flight."""
    put_input(workspace, there, name="1")
    there.call(workspace)
    put_input(workspace, there, name="2", start=50)
    before, calls = files(workspace), len(there.fake.calls)

    said = [there.call(verb, workspace, *more) for verb in ("plan", "status") for more in ((), ("--json",))]

    assert [each.code for each in said] == [0] * 4
    assert (files(workspace), len(there.fake.calls)) == (before, calls)


def test_plan_tells_what_would_be_asked(there: There, workspace: Path) -> None:
    """The plan of a batch in flight is to ask for it."""
    put_input(workspace, there)
    there.call(workspace)

    (row,) = there.call("plan", workspace, "--json").document["batches"]

    assert (row["steps"], row["then"]) == (["check-online"], "pending")


def test_status_of_a_batch_in_flight(there: There, workspace: Path) -> None:
    """`status` shows the provider, its id and word, and until when results are kept."""
    put_input(workspace, there)
    there.call(workspace)

    (row,) = there.call("status", workspace, "--json").document["batches"]
    text = there.call("status", workspace).out

    day = time.strftime("%Y-%m-%d", time.gmtime(row["results_until"]))
    assert row["state"] == "waiting"
    assert (row["provider"], row["batch_id"], row["status"]) == ("openai", there.batch_id, "validating")
    assert f"its results are kept until {day}" in text
    assert "WARNING" not in text


def test_status_warns_of_results_that_vanish(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than five days before results vanish, `status` says so in capitals."""
    monkeypatch.setenv("RECONCILER_PROVIDER_EXPIRES_AFTER", str(int(2 * DAY)))
    there.fake.default(Fate(seconds=DAY))
    put_input(workspace, there)
    there.call(workspace)

    (row,) = there.call("status", workspace, "--json").document["batches"]

    day = time.strftime("%Y-%m-%d", time.gmtime(row["results_until"]))
    assert f"WARNING: its results vanish {day}" in row["because"]


# --- logs ---------------------------------------------------------------------------------------------------


def test_calls_are_logged_without_bodies_and_keys(there: There, workspace: Path) -> None:
    """At level debug each call is a line of its own: address, result and sizes, nothing else of it."""
    put_input(workspace, there)
    there.call(workspace, "--wait", "--log-level", "debug")

    text = "".join(path.read_text("utf-8") for path in (workspace / "logs").iterdir())
    called = [each for each in map(json.loads, text.splitlines()) if each["event"] == "provider.called"]

    assert len(called) == len(there.fake.calls)
    assert {each["kind"] for each in called} == {"upload", "read", "create", "download"}
    keys = {
        "event",
        "level",
        "at",
        "provider",
        "kind",
        "call",
        "result",
        "seconds",
        "sent",
        "received",
        "number",
    }
    assert {frozenset(each) for each in called} == {frozenset(keys)}
    assert (there.fake.key in text, "question" in text) == (False, False)


def test_calls_are_no_lines_by_default(there: There, workspace: Path) -> None:
    """At level info, logs speak of batches."""
    put_input(workspace, there)
    there.call(workspace, "--wait")

    text = "".join(path.read_text("utf-8") for path in (workspace / "logs").iterdir())

    assert ("provider.called" in text, "operation.done" in text) == (False, True)


def test_calls_are_told_to_people(there: There, workspace: Path) -> None:
    """With `-vv` a call is a line on stderr that names the provider and no batch."""
    put_input(workspace, there)

    said = there.call(workspace, "-vv")

    (line,) = [line for line in said.err.splitlines() if line.startswith("openai  create ")]
    assert f"POST {there.fake.url('openai')}/batches: 200" in line
    assert "None" not in said.err


def test_rescue(tmp_path: Path, there: There) -> None:
    """`run --rescue` wants a worker, stops the batch, and asks the rest live; --wait stays until it has."""
    root = tmp_path / "ws"
    put_input(root, there)
    there.fake.default(Fate(polls=10**6))
    there.call(root)
    there.fake.clock.advance(60)

    said = there.call("run", root, "--rescue", "1")
    assert said.code == 3
    assert f"reconcile run {root} --rescue 1 --worker http" in said.err
    assert there.call("run", root, "--rescue", "1", "--only", "1").code == 2
    assert there.fake.calls.count("cancel") == 0

    said = there.call("run", root, "--rescue", "1", "--worker", "echo", "--wait", "--json")
    assert said.code == 0
    assert said.document["told"] == ["1: what of it has no answer is asked live"]
    assert sorted(path.name for path in (root / "done").iterdir()) == ["1", "1.r1"]
    assert there.call("check", root).code == 0
