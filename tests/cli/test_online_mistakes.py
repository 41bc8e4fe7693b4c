"""Verbs and flags for batches at a provider that cannot be followed: the real command says why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import Refuse
from tests.cli.remote import There, asked, put_input, reach, record
from tests.workspaces import files, put, results


@pytest.fixture(params=["openai"])
def there(
    request: pytest.FixtureRequest,
    fake_provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> There:
    """A provider that the command reaches; `openai`, or the one that a test asks for."""
    return reach(fake_provider, request.param, monkeypatch, capsys)


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


@pytest.mark.parametrize("left", [None, b"{", "nowhere"], ids=["gone", "torn", "link"])
def test_adopting_what_another_batch_was(left: bytes | str | None, there: There, workspace: Path) -> None:
    """An input that was given another name gets its batch back, whatever is left under the earlier one."""
    there.fake.default(Fate(polls=5))
    put_input(workspace, there)
    there.call(workspace)
    live = workspace / "workdir"
    (live / "batch_input_1.jsonl").rename(live / "batch_input_2.jsonl")
    (live / "batch_metadata_1.jsonl").unlink()
    if isinstance(left, bytes):
        (live / "batch_metadata_1.jsonl").write_bytes(left)
    elif left is not None:
        (live / "batch_metadata_1.jsonl").symlink_to(left)

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
