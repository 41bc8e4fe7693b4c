"""What `check --repair` cannot prove it leaves as it is, byte for byte, and says why."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import decide, retention
from reconciler.check.audit import audit
from reconciler.check.mending import Left
from reconciler.check.repairs import diagnose
from reconciler.executor.context import viewing
from reconciler.workspace.effects import TEMPORARY
from reconciler.workspace.scan import scan
from tests.cli.calling import call
from tests.damaging import (
    LEDGER,
    RESULTS,
    Damage,
    forget_manifest,
    link_staging,
    make,
    mend,
    spoil,
    tear,
    write,
)
from tests.plugging import Plugs
from tests.workspaces import answered, digest_line, files, jsonl, ledger, put, request, settings

NONE: Final = {"requests": 0, "ids": "0"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """1, 2, 3 and 6 settled, of 2 and 6 a failure is asked again in 2.r1 and 6.r1; 4 set aside; 5 waits."""
    return make(tmp_path / "w")


def doubt(root: Path) -> None:
    """A torn line, and a batch whose create may have left."""
    tear(root)
    record = {"schema": 1, "generation": 2, "name": "5", "provider": "openai", "state": "creating"}
    put(root, "5", metadata={**record, "intent": "0" * 32, "sent_at": 1})


def tear_and_change(root: Path) -> None:
    """A torn line, and answers that are not what settled."""
    tear(root)
    spoil(root, "done/1/batch_output_1.jsonl")


def change_answers_too(root: Path) -> None:
    """Results that are gone, and answers that are not what settled."""
    (root / RESULTS).unlink()
    spoil(root, "done/1/batch_output_1.jsonl")


def claim(root: Path, **changes: Any) -> None:
    """Let the receipt of results that are gone say something else."""
    path = root / "done/1/manifest.json"
    found = json.loads(path.read_bytes())
    found["receipts"]["process-output"].update(changes)
    path.write_text(json.dumps(found), "utf-8")
    (root / RESULTS).unlink()


def retry_and_forget(root: Path) -> None:
    """A manifest that knew of a child that nothing else tells of."""
    decide.retry(str(root), settings(), ["2"], classes=("invalid-request",))
    (root / "done/2/manifest.json").unlink()


def forget_with_csv(root: Path) -> None:
    """A manifest that is gone, where a table lies that it may have vouched for."""
    forget_manifest(root)
    write(root, "target/1.results.csv", b"custom_id\n")


def forget_of_other_code(root: Path) -> None:
    """A manifest that is gone, and results that the built-in processor does not make."""
    forget_manifest(root)
    spoil(root, RESULTS)


def forget_and_change(root: Path) -> None:
    """A manifest that is gone, and answers that were changed."""
    forget_manifest(root)
    path = root / "done/1/batch_output_1.jsonl"
    path.write_bytes(path.read_bytes().replace(b"answer 0", b"answer 9"))


def forget_and_doubt(root: Path) -> None:
    """A manifest that is gone, and a line of history of which nobody can say what it is about."""
    forget_manifest(root)
    with (root / LEDGER).open("ab") as stream:
        stream.write(b'{"event":"batch.released","batch":"1"}\n')


def forget_and_tell(root: Path) -> None:
    """A manifest that is gone, and history that tells of another account."""
    forget_manifest(root)
    lines = ledger(root)
    (line,) = [each for each in lines if (each["event"], each["batch"]) == ("batch.settled", "1")]
    told = {key: value for key, value in line.items() if key != "crc"}
    with (root / LEDGER).open("ab") as stream:
        stream.write(digest_line({**told, "answered": 2, "failed": 1}))


def forget_after(root: Path, tamper: Callable[[dict[str, Any]], object], **told: Any) -> None:
    """A manifest that is gone, metadata that says something else, and history that may tell of more."""
    path = root / "done/1/batch_metadata_1.jsonl"
    found = json.loads(path.read_bytes())
    tamper(found)
    path.write_bytes(jsonl([found]))
    forget_manifest(root)
    if told:
        with (root / LEDGER).open("ab") as stream:
            stream.write(digest_line({"at": 1, "batch": "1", **told}))


def forget_and_bury(root: Path) -> None:
    """A manifest that is gone, of a batch whose JSONL was being removed."""
    forget_manifest(root)
    write(root, "done/1/tombstone.json")


def forget_history(root: Path) -> None:
    """A manifest and all of history that are gone."""
    forget_manifest(root)
    (root / LEDGER).write_bytes(b"")


def forget_and_break(root: Path) -> None:
    """A manifest that is gone, and a child that cannot be asked which ids it owns."""
    (root / "done/2/manifest.json").unlink()
    for path in root.rglob("batch_input_2.r1.jsonl"):
        path.unlink()


def tear_and_empty(root: Path) -> None:
    """A torn line, and metadata of a live batch that says nothing."""
    tear(root)
    write(root, "workdir/batch_metadata_5.jsonl", b"")


def put_again(root: Path) -> None:
    """A manifest that is gone, where a live batch has its name."""
    forget_manifest(root)
    put(root, "1", input=[request(8)])


def link_into_staging(root: Path) -> None:
    """A link in a folder in which a move was put together."""
    (root / "done/.staging-9").mkdir()
    (root / "done/.staging-9/batch_input_9.jsonl").symlink_to(root / "done/1/batch_input_1.jsonl")


def claim_a_table(root: Path) -> None:
    """A table beside the results that is gone."""
    path = root / "done/1/manifest.json"
    found = json.loads(path.read_bytes())
    found["receipts"]["process-output"]["files"] = {"target/1.results.csv": {"sha256": "0" * 64, "bytes": 1}}
    path.write_text(json.dumps(found), "utf-8")


def empty_record(root: Path) -> None:
    """Results that are gone, and metadata, as the manifest has it, that cannot be read."""
    (root / RESULTS).unlink()
    path = root / "done/1/batch_metadata_1.jsonl"
    path.write_bytes(b"")
    manifest = json.loads((root / "done/1/manifest.json").read_bytes())
    manifest["files"][path.name] = {"sha256": hashlib.sha256(b"").hexdigest(), "bytes": 0}
    (root / "done/1/manifest.json").write_text(json.dumps(manifest), "utf-8")


LEFT: Final[dict[str, tuple[Damage, str]]] = {
    "manifest-and-metadata": (
        lambda root: forget_manifest(root, "done/1/batch_metadata_1.jsonl"),
        "no account that balances",
    ),
    "manifest-and-answers": (
        lambda root: forget_manifest(root, "done/1/batch_output_1.jsonl"),
        "do not give the account",
    ),
    "manifest-and-changed": (forget_and_change, "do not give the account"),
    "manifest-and-results": (lambda root: forget_manifest(root, RESULTS), "is not what the built-in"),
    "manifest-and-history": (forget_and_tell, "another account"),
    "manifest-of-other-code": (forget_of_other_code, "is not what the built-in"),
    "manifest-of-the-dismissed": (
        lambda root: forget_after(root, lambda found: found.update(dismissed={"failed": NONE})),
        "more has been done",
    ),
    "manifest-of-other-receipts": (
        lambda root: forget_after(root, lambda found: found.update(receipts={"process-output": {}})),
        "other processors than the built-in",
    ),
    "manifest-and-damage": (
        lambda root: forget_after(root, lambda found: found.update(coverage=7)),
        "cannot be read",
    ),
    "manifest-of-no-time": (
        lambda root: forget_after(root, lambda _: None, event="batch.settled", at="noon"),
        "history does not tell",
    ),
    "manifest-and-tombstone": (forget_and_bury, "its JSONL was removed"),
    "manifest-without-history": (forget_history, "history does not tell"),
    "manifest-and-child": (forget_and_break, "nowhere to be found"),
    "manifest-of-a-live-name": (put_again, "a live batch has that name"),
    "manifest-with-csv": (forget_with_csv, "nothing vouches"),
    "manifest-retried-since": (retry_and_forget, "batch.retried"),
    "live-temporary": (
        lambda root: write(root, f"workdir/{TEMPORARY}batch_output_5.jsonl"),
        "a pass removes it",
    ),
    "temporary-alone": (lambda root: write(root, f"target/{TEMPORARY}9.results.jsonl"), "is not there"),
    "staging-only-copy": (
        lambda root: write(root, "done/.staging-9/batch_output_9.jsonl"),
        "no other file holds the same",
    ),
    "staging-of-a-live-batch": (
        lambda root: link_staging(root, "done/.staging-5", "workdir/batch_input_5.jsonl"),
        "a pass makes it again",
    ),
    "staging-of-a-link": (link_into_staging, "no other file holds the same"),
    "manifest-and-a-line-of-history": (forget_and_doubt, "may be about it"),
    "torn-and-emptied": (tear_and_empty, "a batch is in doubt"),
    "results-and-table": (claim_a_table, "it is made of the results beside it"),
    "progress-of-nobody": (lambda root: write(root, ".reconciler/live/9.sqlite"), "may hold answers"),
    "torn-and-in-doubt": (doubt, "a batch is in doubt"),
    "torn-and-changed": (
        tear_and_change,
        "does not prove",
    ),
    "results-of-an-empty-record": (empty_record, "does not hold all"),
    "results-of-changed-answers": (change_answers_too, "does not hold all"),
    "results-of-other-bytes": (lambda root: claim(root, sha256="0" * 64), "other bytes"),
    "results-of-other-code": (lambda root: claim(root, processor="mine.py:run/1"), "other code"),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_is_not_proven_is_left(case: str, root: Path) -> None:
    """What might be lost or wrong stays as it is, byte for byte, and the reason is told."""
    make_it, why = LEFT[case]
    make_it(root)
    (root / ".reconciler").chmod(0o700)
    for path in (root / ".reconciler").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    before = files(root)
    found = mend(root)
    assert found.done == ()
    assert [each for each in found.left if why in each.why], found.left
    assert files(root) == before


def test_results_whose_answers_were_removed_are_restored_by_their_user(root: Path) -> None:
    """No replay can make them again, whatever they were made by, and none is hinted at."""
    retention.retain(str(root), settings(jsonl="remove"), ["3"])
    (root / "target/3.results.jsonl").unlink()
    (left,) = mend(root).left
    assert left.hint == "restore target/3.results.jsonl from a backup"


def test_what_is_not_progress_stays(root: Path) -> None:
    """Files beside the progress of a run that are no progress of a batch are nobody's to remove."""
    for name in ("notes.txt", "..sqlite", "1.sqlite-wal", "5.sqlite"):
        write(root, f".reconciler/live/{name}")
        (root / ".reconciler/live" / name).chmod(0o600)
    (root / ".reconciler/live").chmod(0o700)
    before = files(root)
    found = mend(root)
    assert (found.done, found.left) == ((), ())
    assert files(root) == before


def test_what_goes_after_it_was_looked_at_is_left(root: Path) -> None:
    """Where a file that results are made of goes between audit and repair, they are not made of the rest."""
    (root / "target/2.results.jsonl").unlink()
    with viewing(str(root), settings()) as view:
        verdict = audit(view, {})
        for path in root.rglob("batch_input_2.r1.jsonl"):
            path.unlink()
        found = [*diagnose(view, scan(view.look, view.layout), verdict)]
    (left,) = [each for each in found if each.path == "target/2.results.jsonl"]
    assert isinstance(left, Left)
    assert "other bytes" in left.why


def test_a_receipt_that_is_none_publishes_nothing(root: Path) -> None:
    """Where a manifest cannot say what was published, nothing is put into its place."""
    claim(root, sha256=7)
    found = mend(root)
    assert (found.done, found.left) == ((), ())
    assert {each.code for each in found.verdict.findings} == {"manifest-unreadable"}
    assert not (root / RESULTS).exists()


def test_results_that_were_changed_are_yours(root: Path) -> None:
    """A published file that its user has edited is never put back."""
    spoil(root, RESULTS)
    before = files(root)
    assert mend(root).done == ()
    assert files(root) == before


def test_results_of_code_of_yours_name_the_replay(tmp_path: Path) -> None:
    """Where a processor of the user's own made what is gone, the command that makes it again is told."""
    root = tmp_path / "w"
    put(root, "1", input=[request(0)], output=[answered(0)])
    Plugs(lambda result: len(result.custom_id)).run(root)
    (root / RESULTS).unlink()
    (left,) = mend(root).left
    assert left.hint == "reconcile replay WORKSPACE 1"


def test_findings_stay(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken promise that cannot be repaired is found afterwards as before, with 3."""
    spoil(root, "done/1/batch_output_1.jsonl")
    said = call(capsys, "check", root, "--repair")
    assert said.code == 3
    assert "promise 3 does not hold" in said.out
