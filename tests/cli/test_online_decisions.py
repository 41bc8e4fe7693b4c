"""What a person decides about batches at a provider, and what `audit` finds: through the real command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import ReplyDropped
from tests.cli.remote import There, asked, in_doubt, put_input, reach, record
from tests.workspaces import answered, files, put, request

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
