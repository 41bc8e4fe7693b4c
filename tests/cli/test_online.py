"""Batches at a provider, through the real command: keys by environment, the fake provider on loopback."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import Refuse, ReplyDropped
from tests.cli.calling import named
from tests.cli.remote import KEYS, There, asked, reach
from tests.cli.test_interrupt import begin
from tests.workspaces import answered, files, put, request, results

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


def put_input(root: Path, there: There, count: int = 4, name: str = "1", start: int = 0) -> None:
    """An input without answers, old enough to be sent."""
    put(root, name, input=[asked(there.name, n) for n in range(start, start + count)])
    there.fake.clock.advance(10)


def record(root: Path, name: str = "1") -> dict[str, Any]:
    """The metadata of a live batch."""
    found: dict[str, Any] = json.loads((root / "workdir" / f"batch_metadata_{name}.jsonl").read_bytes())
    return found


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


# --- what a person decides ----------------------------------------------------------------------------------


def test_submit_sends_what_is_left_to_a_person(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `submit = "manual"` a pass holds the input and says what to type; `submit` sends it, once."""
    monkeypatch.setenv("RECONCILER_POLICY_SUBMIT", "manual")
    put_input(workspace, there)

    held = there.call(workspace)
    assert (held.code, there.creates()) == (3, 0)
    assert f"-> reconcile submit {workspace} 1" in held.out

    sent = there.call("submit", workspace, "1")
    assert (sent.code, there.creates()) == (75, 1), sent
    assert f"1: 4 requests sent to openai as {there.batch_id}" in sent.out

    again = there.call("submit", workspace, "1")
    assert (again.code, there.creates()) == (3, 1)


def test_submit_waits_for_an_input_that_may_still_grow(there: There, workspace: Path) -> None:
    """An input that was written a moment ago is not sent yet: 75, as in a pass."""
    put(workspace, "1", input=[asked("openai", 0)])
    there.fake.clock.advance((workspace / "workdir" / "batch_input_1.jsonl").stat().st_mtime - there.now)

    said = there.call("submit", workspace, "1")

    assert (said.code, there.creates()) == (75, 0), said
    assert "its input was written a moment ago" in said.err


def test_cancel_stops_a_batch_and_keeps_what_was_answered(there: There, workspace: Path) -> None:
    """The paid answers of a cancelled batch come home; what it left is not sent again by itself."""
    there.fake.default(Fate(seconds=DAY))
    put_input(workspace, there)
    there.call(workspace)

    said = there.call("cancel", workspace, "1")
    assert f"1: openai was asked to stop {there.batch_id}" in said.out
    done = there.call(workspace, "--wait", "--json")

    assert (done.code, there.creates()) == (0, 1), done
    manifest = json.loads((workspace / "done" / "1" / "manifest.json").read_bytes())
    counts = manifest["coverage"]
    assert (counts["answered"]["requests"], counts["failed"]["requests"]) == (2, 2)


def test_what_was_cancelled_can_be_asked_again(there: There, workspace: Path) -> None:
    """`retry` sends the rest of a cancelled batch, when a person says so."""
    put_input(workspace, there)
    there.call(workspace)
    there.call("cancel", workspace, "1")
    there.call(workspace, "--wait")

    said = there.call("retry", workspace, "1")

    assert (said.code, there.creates()) == (75, 2), said
    assert there.call(workspace, "--wait").code == 0


def test_a_batch_that_lost_its_reply_is_found(there: There, workspace: Path) -> None:
    """When the reply to the create is lost, the next look finds the batch; nobody is asked."""
    there.fake.fault("create", ReplyDropped())
    put_input(workspace, there)

    said = there.call(workspace, "--wait")

    assert (said.code, there.creates()) == (0, 1), said


def in_doubt(there: There, workspace: Path) -> None:
    """A create whose fate nobody knows: turned away with a 500, and no list shows it."""
    there.fake.fault("create", Refuse(500))
    put_input(workspace, there)
    there.call(workspace)
    there.fake.clock.advance(3600)


def test_what_is_in_doubt_names_the_commands_that_end_it(there: There, workspace: Path) -> None:
    """After its grace a batch in doubt is held with 3, and the hints can be typed as they stand."""
    in_doubt(there, workspace)

    said = there.call(workspace)

    assert (said.code, there.creates()) == (3, 0), said
    assert f"reconcile adopt {workspace} 1 BATCH_ID" in said.out
    assert f"reconcile resubmit {workspace} 1" in said.out


def test_resubmit_sends_what_is_in_doubt_once_more(there: There, workspace: Path) -> None:
    """`resubmit` removes the old upload, so that a late create fails, and sends it anew."""
    in_doubt(there, workspace)

    said = there.call("resubmit", workspace, "1")

    assert (said.code, there.creates()) == (75, 1), said
    assert there.fake.calls.count("delete_file") == 1
    assert there.call(workspace, "--wait").code == 0


def test_resubmit_finds_what_is_there_and_sends_nothing(there: There, workspace: Path) -> None:
    """A batch that turns up before it is sent again is not sent; the next pass goes on with it."""
    there.fake.fault("create", ReplyDropped())
    there.fake.script(Fate(lag=1))
    put_input(workspace, there)
    there.call(workspace)

    said = there.call("resubmit", workspace, "1")

    assert (said.code, there.creates()) == (3, 1), said
    assert f"1 is at openai already, as {there.batch_id}; nothing was sent" in said.err
    assert there.call(workspace, "--wait").code == 0


def test_adopt_takes_over_a_batch_by_its_id(there: There, workspace: Path) -> None:
    """An input whose metadata was lost gets its remote batch back, and settles without a second create."""
    there.fake.default(Fate(polls=5))
    put_input(workspace, there)
    there.call(workspace)
    (workspace / "workdir" / "batch_metadata_1.jsonl").unlink()

    said = there.call("adopt", workspace, "1", there.batch_id)

    assert (said.code, record(workspace)["batch_id"]) == (75, there.batch_id), said
    assert f"1: adopted {there.batch_id}" in said.out
    assert (there.call(workspace, "--wait").code, there.creates()) == (0, 1)


# --- audit --------------------------------------------------------------------------------------------------


def test_audit_tells_what_the_provider_keeps(there: There, workspace: Path) -> None:
    """After a settled batch, `audit` counts its remote files and changes nothing."""
    put_input(workspace, there)
    there.call(workspace, "--wait")
    kept = sum(file.content.size for file in there.fake.files)
    before = files(workspace)

    said = there.call("audit", workspace)
    document = there.call("audit", workspace, "--json").document

    assert (said.code, files(workspace)) == (0, before), said
    assert "openai  keeps 1 batch, 2 files" in said.out
    (held,) = document["held"]
    assert (held["provider"], held["batches"], held["files"], held["removable"]) == ("openai", 1, 2, 2)
    assert held["bytes"] == held["removable_bytes"] == kept
    assert (document["findings"], document["unasked"], held["removed"]) == ([], [], 0)


def test_audit_removes_only_what_is_settled_and_sound(there: There, workspace: Path) -> None:
    """`--delete-remote` takes files of settled batches whose local copies are what their manifest says."""
    for number in range(3):
        put_input(workspace, there, count=2, name=str(number), start=10 * number)
    there.call(workspace, "--wait", "--only", "0", "--only", "1")
    there.call(workspace, "--only", "2")
    (workspace / "done" / "1" / "batch_output_1.jsonl").write_bytes(b"{}\n")

    said = there.call("audit", workspace, "--delete-remote")

    kept = sorted(file.name for file in there.fake.files)
    assert f"{len(there.fake.files) + 2} files" in said.out
    assert "2 removed now" in said.out
    assert len(kept) == 3, kept  # input and output of the damaged batch, input of the one in flight
    assert said.code == 0
    assert there.call(workspace, "--wait").code == 0


def test_audit_finds_a_batch_whose_files_are_gone(there: There, workspace: Path) -> None:
    """A batch that this workspace made and does not hold any more is a finding: exit code 3."""
    put_input(workspace, there)
    there.call(workspace)
    for path in (workspace / "workdir").iterdir():
        path.unlink()

    said = there.call("audit", workspace)

    assert said.code == 3
    assert f"openai  {there.batch_id}: in_progress; made by this workspace, and not here any more" in said.out


def test_audit_knows_what_was_set_aside(there: There, workspace: Path) -> None:
    """A batch in quarantine is here, and so is one that was given up, whatever its folder is called then."""
    there.fake.script(Fate(foreign=("q-99",)))
    put_input(workspace, there)
    there.call(workspace, "--wait")
    assert (workspace / "quarantine" / "1.1").is_dir()
    said = there.call("audit", workspace, "--json")
    assert (said.code, said.document["findings"]) == (0, [])

    put(workspace, "1", input=[request(7)], output=[answered(7)])
    there.call(workspace)
    there.call("dismiss", workspace, "1")
    assert (workspace / "done" / "1.q1").is_dir()
    said = there.call("audit", workspace, "--json")
    assert (said.code, said.document["findings"]) == (0, [])


def test_audit_finds_a_batch_that_the_provider_lost(there: There, workspace: Path) -> None:
    """A batch in flight that the provider does not know any more is a finding."""
    there.fake.default(Fate(seconds=DAY))
    put_input(workspace, there)
    there.call(workspace)
    there.fake.batches[-1].deleted = True

    said = there.call("audit", workspace, "--json")

    (finding,) = said.document["findings"]
    assert (said.code, finding["batch"], finding["ours"]) == (3, "1", True)


def test_audit_leaves_accounts_alone_that_are_not_in_use(there: There, workspace: Path) -> None:
    """One account is asked once, though `compatible` and `litellm` could reach it by the same variables."""
    there.call("audit", workspace)

    assert there.fake.calls.count("list") == 1


# --- keys ---------------------------------------------------------------------------------------------------


@every_provider
def test_without_a_key_the_batch_is_held_with_77(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key: 77, the variable to set is named, nothing changes and nobody is asked."""
    put_input(workspace, there)
    monkeypatch.delenv(KEYS[there.name][0])
    before = set(files(workspace))

    said = there.call(workspace)

    assert (said.code, len(there.fake.calls)) == (77, 0), said
    assert KEYS[there.name][0] in said.out
    assert {path for path in set(files(workspace)) - before if path.startswith("workdir/")} == set()


@every_provider
def test_a_refused_key_is_told_with_77(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that the provider does not take: 77; with the right one the batch goes on."""
    put_input(workspace, there)
    monkeypatch.setenv(KEYS[there.name][0], "wrong-key-of-nobody")
    refused = there.call(workspace)
    monkeypatch.setenv(KEYS[there.name][0], there.fake.key)

    assert refused.code == 77, refused
    assert "wrong-key-of-nobody" not in refused.out + refused.err
    assert (there.call(workspace, "--wait").code, there.creates()) == (0, 1)


def test_other_batches_go_on_without_the_key(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of another provider settles in the pass that lacks a key for the first."""
    monkeypatch.delenv("RECONCILER_PROVIDER_NAME")
    (workspace / "reconciler.toml").write_text(
        '[provider]\nname = "openai"\n[[batch]]\nmatch = "2"\nprovider = "local"\n', "utf-8"
    )
    monkeypatch.delenv(KEYS["openai"][0])
    put_input(workspace, there, name="1")
    put_input(workspace, there, name="2", start=50)

    said = there.call(workspace, "--json")

    states = {row["name"]: row["state"] for row in said.document["batches"]}
    assert (said.code, states) == (77, {"1": "held", "2": "settled"})


@pytest.mark.parametrize("verb", ["submit", "cancel", "resubmit"])
def test_a_decision_without_a_key_ends_with_77(
    verb: str, there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person asks for needs the key too."""
    put_input(workspace, there)
    if verb != "submit":
        there.call(workspace)
    monkeypatch.delenv(KEYS["openai"][0])
    calls = len(there.fake.calls)

    said = there.call(verb, workspace, "1")

    assert (said.code, len(there.fake.calls)) == (77, calls), said
    assert "OPENAI_API_KEY" in said.err


def test_audit_without_a_key_ends_with_77(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can be asked: 77, with the variable to set."""
    monkeypatch.delenv(KEYS["openai"][0])

    said = there.call("audit", workspace)

    assert (said.code, "OPENAI_API_KEY" in said.err) == (77, True), said


# --- a limit of cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["file", "environment", "flag"])
def test_nothing_is_sent_that_may_cost_more_than_the_limit(
    layer: str, there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`max_cost_usd` in any layer: 3, the reason in words, and not one call."""
    put_input(workspace, there)
    words: Sequence[str | Path] = (workspace,)
    if layer == "file":
        (workspace / "reconciler.toml").write_text("[budget]\nmax_cost_usd = 0.0\n", "utf-8")
    elif layer == "environment":
        monkeypatch.setenv("RECONCILER_BUDGET_MAX_COST_USD", "0")
    else:
        words = (workspace, "--max-cost-usd", "0.0")

    said = there.call(*words)

    assert (said.code, len(there.fake.calls)) == (3, 0), said
    assert "limits the cost, and what this costs is not known: no price is known for" in said.out


@pytest.mark.parametrize("verb", ["submit", "resubmit"])
def test_a_person_cannot_send_past_the_limit_either(verb: str, there: There, workspace: Path) -> None:
    """`submit` and `resubmit` are refused with 3 too, and nothing new is created."""
    if verb == "resubmit":
        in_doubt(there, workspace)
    else:
        put_input(workspace, there)
    creates = there.fake.calls.count("create")

    said = there.call(verb, workspace, "1", "--max-cost-usd", "0")

    assert (said.code, there.fake.calls.count("create")) == (3, creates), said
    assert "limits the cost" in said.err


def test_what_was_sent_before_a_limit_is_fetched(there: There, workspace: Path) -> None:
    """Answers that are paid for come home, limit or not."""
    put_input(workspace, there)
    there.call(workspace)

    assert there.call(workspace, "--wait", "--max-cost-usd", "1").code == 0


# --- mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["submit", "cancel", "resubmit"])
def test_a_batch_that_is_not_there(verb: str, there: There, workspace: Path) -> None:
    """An unknown name ends with 2 and says how to list the known ones."""
    put_input(workspace, there)

    said = there.call(verb, workspace, "7")

    assert (said.code, len(there.fake.calls)) == (2, 0)
    assert "no batch here is called 7" in said.err
    assert f"reconcile status {workspace} --all" in said.err


@pytest.mark.parametrize("words", [("submit",), ("cancel",), ("resubmit",), ("adopt", "batch_000001")])
def test_a_batch_in_quarantine(words: Sequence[str], there: There, workspace: Path) -> None:
    """It is said where it lies and what to do with it, not that nothing is there or was ever sent."""
    there.fake.script(Fate(foreign=("q-99",)))
    put_input(workspace, there)
    there.call(workspace, "--wait")
    calls = len(there.fake.calls)

    said = there.call(words[0], workspace, "1", *words[1:])

    assert (said.code, len(there.fake.calls)) == (3, calls), said
    assert said.err.startswith("error: 1: it is in quarantine/1.1/\n  -> mend its files and move them back")


@pytest.mark.parametrize("words", [("submit",), ("cancel",), ("resubmit",), ("adopt", "batch_000001")])
def test_a_batch_that_is_settled(words: Sequence[str], there: There, workspace: Path) -> None:
    """What is in `done/` is beyond all of these decisions."""
    put_input(workspace, there)
    there.call(workspace, "--wait")
    before, calls = files(workspace), len(there.fake.calls)

    said = there.call(words[0], workspace, "1", *words[1:])

    assert (said.code, len(there.fake.calls)) == (3, calls), said
    assert "error: 1: it is in done/" in said.err
    assert {path: data for path, data in files(workspace).items() if "logs" not in path} == {
        path: data for path, data in before.items() if "logs" not in path
    }


def test_adopting_a_batch_of_another_size(there: There, workspace: Path) -> None:
    """A remote batch with another number of requests cannot be this one: 3, and the numbers."""
    put_input(workspace, there, count=4, name="1")
    there.call(workspace)
    put_input(workspace, there, count=3, name="2", start=50)

    said = there.call("adopt", workspace, "2", there.batch_id)

    assert (said.code, there.creates()) == (3, 1), said
    assert f"{there.batch_id} has 4 requests, 2 has 3: it is another batch" in said.err


@pytest.mark.parametrize("wait", [(), ("--wait",)], ids=["live", "settled"])
def test_adopting_what_another_batch_is(wait: Sequence[str], there: There, workspace: Path) -> None:
    """Answers to the requests of one batch are not taken for those of another, though ids are the same."""
    put_input(workspace, there)
    there.call(workspace, *wait)
    put(workspace, "2", input=[{**asked(there.name, n), "url": "/v1/responses"} for n in range(4)])
    there.fake.clock.advance(10)

    before = files(workspace / "workdir")
    said = there.call("adopt", workspace, "2", there.batch_id)

    assert (said.code, files(workspace / "workdir")) == (3, before), said
    assert f"{there.batch_id} is 1 here already" in said.err


@pytest.mark.parametrize("left", [None, b"{"], ids=["gone", "torn"])
def test_adopting_what_another_batch_was(left: bytes | None, there: There, workspace: Path) -> None:
    """An input that was given another name gets its batch back, whatever is left under the earlier one."""
    there.fake.default(Fate(polls=5))
    put_input(workspace, there)
    there.call(workspace)
    live = workspace / "workdir"
    (live / "batch_input_1.jsonl").rename(live / "batch_input_2.jsonl")
    (live / "batch_metadata_1.jsonl").unlink()
    if left is not None:
        (live / "batch_metadata_1.jsonl").write_bytes(left)

    said = there.call("adopt", workspace, "2", there.batch_id)

    assert (said.code, record(workspace, "2")["batch_id"]) == (75, there.batch_id), said


def test_adopting_a_batch_that_nobody_knows(there: There, workspace: Path) -> None:
    """The provider does not know the id: 3, and the input is as it was."""
    put_input(workspace, there)

    said = there.call("adopt", workspace, "1", "batch_of_nobody")

    assert (said.code, there.creates()) == (3, 0), said
    assert "batch_of_nobody" in said.err
    assert there.call(workspace, "--wait").code == 0


def test_adopting_what_is_another_batch_already(there: There, workspace: Path) -> None:
    """A batch in flight keeps the remote batch that it has."""
    put_input(workspace, there)
    there.call(workspace)

    said = there.call("adopt", workspace, "1", "batch_000009")

    assert (said.code, record(workspace)["batch_id"]) == (3, there.batch_id)
    assert f"1: it is {there.batch_id} already" in said.err


def test_cancelling_what_has_ended(there: There, workspace: Path) -> None:
    """A batch that has ended cannot be stopped, and says what comes next."""
    there.fake.fault("download", Refuse(503), times=None)
    put_input(workspace, there)
    there.call(workspace, "--wait", "--timeout", "10m")

    said = there.call("cancel", workspace, "1")

    assert (said.code, there.fake.calls.count("cancel")) == (3, 0), said
    assert f"{there.batch_id} has ended already (completed)" in said.err
    assert f"-> reconcile {workspace}" in said.err


def test_cancelling_what_was_never_sent(there: There, workspace: Path) -> None:
    """An input that lies only here is ended here: it is never sent, and each request has failed as that."""
    put_input(workspace, there)

    said = there.call("cancel", workspace, "1")

    assert (said.code, "ended without being sent (cancelled)" in said.err + said.out) == (0, True), said
    assert there.fake.calls.count("create") == 0
    assert {row["error"]["class"] for row in results(workspace, "1")} == {"cancelled"}


def test_resubmitting_what_was_never_sent(there: There, workspace: Path) -> None:
    """The hint names the verb that was meant."""
    put_input(workspace, there)

    said = there.call("resubmit", workspace, "1")

    assert (said.code, there.creates()) == (3, 0)
    assert f"reconcile submit {workspace} 1" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(("--timeout", "1h"), "--timeout and --interval go with --wait", id="timeout"),
        pytest.param(("--interval", "5"), "--timeout and --interval go with --wait", id="interval"),
        pytest.param(("--wait", "--timeout", "soon"), "'soon' is no duration", id="word"),
        pytest.param(("--wait", "--timeout", "-5"), "'-5' is no duration", id="negative"),
        pytest.param(("--wait", "--interval", "0"), "'0' is no duration", id="zero"),
        pytest.param(("--wait", "--interval", "inf"), "'inf' is no duration", id="endless"),
        pytest.param(("--wait", "--timeout", "1w"), "'1w' is no duration", id="unit"),
        pytest.param(("--wait", "--timeout", ""), "'' is no duration", id="empty"),
    ],
)
def test_durations_that_are_none(words: Sequence[str], told: str, there: There, workspace: Path) -> None:
    """A wrong duration, or one without `--wait`, ends with 2 before anything is done."""
    put_input(workspace, there)

    said = there.call(workspace, *words)

    assert (said.code, told in said.err, len(there.fake.calls)) == (2, True, 0), said


@pytest.mark.parametrize(
    "words", [("--interval", "0.5"), ("--per-batch-delay", "-1"), ("--max-retries", "-1")]
)
def test_numbers_out_of_range(words: Sequence[str], there: There, workspace: Path) -> None:
    """A flag is held to the range of its setting: 78, as in a file."""
    put_input(workspace, there)

    assert (there.call(workspace, "--wait", *words).code, len(there.fake.calls)) == (78, 0)


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
