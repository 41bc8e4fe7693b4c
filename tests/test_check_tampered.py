"""`check` of what was tampered with: one promise after the other is broken by hand, and each is found."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import decide
from tests.tampering import LEDGER, audit, forget, make, rewrite, rewrite_receipt, tell
from tests.workspaces import answered, failed, jsonl, ledger, put, request, settings, stats

DIGEST: Final = {"sha256": "0" * 64, "bytes": 1}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """1 settled; 2 settled, with the waiting child 2.r1; 4 in quarantine; 6 sent as batch_6."""
    return make(tmp_path / "w")


def edit(root: Path, path: str, **changes: Any) -> None:
    """Change members of a document."""
    found = json.loads((root / path).read_bytes())
    (root / path).write_text(json.dumps({**found, **changes}) + "\n", "utf-8")


def remove_live(root: Path, name: str) -> None:
    """Remove every live file of a batch."""
    for path in (root / "workdir").glob(f"batch_*_{name}.jsonl"):
        path.unlink()


def forge_results(root: Path) -> None:
    """Let results, and what vouches for them, tell of an answer that was never given."""
    path = root / "target/2.results.jsonl"
    data = path.read_bytes().replace(b'"outcome":"failed"', b'"outcome":"answered"')
    path.write_bytes(data)
    manifest = json.loads((root / "done/2/manifest.json").read_bytes())
    known = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest["receipts"]["process-output"].update(known)
    edit(root, "done/2/manifest.json", receipts=manifest["receipts"])


def settle_twice(root: Path, **changes: Any) -> None:
    """Let history tell again, and otherwise, of a batch that has settled."""
    (line,) = [each for each in ledger(root) if (each["event"], each["batch"]) == ("batch.settled", "1")]
    tell(root, {**{key: value for key, value in line.items() if key != "crc"}, **changes})


def link_answers(root: Path) -> None:
    """Put a link in place of a settled file."""
    path = root / "done/1/batch_output_1.jsonl"
    path.rename(root / "elsewhere")
    path.symlink_to(root / "elsewhere")


TAMPERINGS: Final = [
    pytest.param(
        lambda root: tell(root, {"event": "batch.creating", "batch": "6", "intent": "0" * 32}),
        (5, "created-twice", LEDGER),
        id="an-intent-created-twice",
    ),
    pytest.param(
        lambda root: tell(
            root, {"event": "batch.submitted", "batch": "6", "intent": "0" * 32, "batch_id": "batch_7"}
        ),
        (5, "created-twice", LEDGER),
        id="a-second-batch-of-an-intent",
    ),
    pytest.param(
        lambda root: forget(root, "batch.submitted", "6"),
        (6, "not-in-history", "batch_metadata_6"),
        id="sent-and-not-in-history",
    ),
    pytest.param(lambda root: remove_live(root, "6"), (6, "sent-and-gone", LEDGER), id="sent-and-gone"),
    pytest.param(
        lambda root: settle_twice(root, input="0" * 64), (2, "history-differs", "done/1"), id="another-input"
    ),
    pytest.param(
        lambda root: settle_twice(root, answered=2), (1, "history-differs", "done/1"), id="another-count"
    ),
    pytest.param(forge_results, (7, "account-differs", "target/2.results"), id="results-forged"),
    pytest.param(
        lambda root: edit(root, "workdir/batch_metadata_2.r1.jsonl", attempt=1),
        (9, "sends-miscounted", "batch_metadata_2.r1"),
        id="a-child-that-counts-less",
    ),
    pytest.param(
        lambda root: edit(root, "workdir/batch_metadata_6.jsonl", receipts={"process-output": {}}),
        (4, "published-unmatched", "batch_input_6"),
        id="published-before-matched",
    ),
    pytest.param(link_answers, (16, "not-a-file", "done/1/batch_output_1"), id="a-link-in-done"),
    pytest.param(
        lambda root: (root / "quarantine/4.1/reason.json").write_bytes(b"[]"),
        (3, "reason-unreadable", "4.1/reason.json"),
        id="reason-torn",
    ),
    pytest.param(
        lambda root: (root / "quarantine/4.1/reason.json").unlink(),
        (3, "reason-gone", "4.1/reason.json"),
        id="reason-gone",
    ),
    pytest.param(
        lambda root: (root / "quarantine/4.1/batch_metadata_4.jsonl").write_bytes(b""),
        (15, "record-unreadable", "4.1/batch_metadata_4"),
        id="quarantined-record-emptied",
    ),
    pytest.param(
        lambda root: (root / ".reconciler/workspace-id").unlink(),
        (15, "id-gone", "workspace-id"),
        id="workspace-id-gone",
    ),
]


def forge(root: Path, path: str, data: bytes) -> None:
    """Put something else into a settled file, and its digest into the manifest."""
    (root / path).write_bytes(data)
    known = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    folder, _, leaf = path.rpartition("/")
    rewrite(root, f"{folder}/manifest.json", lambda found: found["files"].update({leaf: known}))


def forge_account(root: Path) -> None:
    """Let the manifest of a dismissed batch count one id more."""
    decide.dismiss(str(root), settings(provider="openai"), ["4"])

    def more(found: dict[str, Any]) -> None:
        for part in ("input", "dismissed"):
            found["coverage"][part]["requests"] += 1

    rewrite(root, "done/4/manifest.json", more)


def answer_late(root: Path) -> None:
    """Let a settled batch have an answer to the request that its child asks again."""
    forge(root, "done/2/batch_output_2.jsonl", jsonl([answered(0), answered(1)]))
    forge(root, "done/2/batch_error_2.jsonl", jsonl([failed(2)]))


def change_on_record(root: Path) -> None:
    """Let a child ask something else, where another change than that is on record."""
    path = root / "workdir/batch_input_2.r1.jsonl"
    path.write_bytes(path.read_bytes().replace(b"question 1", b"question 7"))
    changed = {"requests": 1, "ids": "0", "by": {"rate-limit": "mine.py:shorter"}}
    rewrite(root, "done/2/manifest.json", lambda found: found["children"]["2.r1"].update(changed=changed))


def lose_child(root: Path) -> None:
    """A live batch that has handed ids over to a child of which nothing is here."""
    owns = {"owns": {"requests": 1, "ids": "0"}, "input": DIGEST}
    metadata = {"schema": 1, "generation": 1, "name": "7", "children": {"7.r1": owns}}
    put(root, "7", input=[request(7)], metadata=metadata)


DAMAGES: Final = [
    pytest.param(change_on_record, (2, "child-changed", "batch_input_2.r1"), id="changed-otherwise"),
    pytest.param(lose_child, (1, "not-countable", "batch_input_7"), id="a-live-child-that-is-gone"),
    pytest.param(
        lambda root: (root / "done/2/batch_input_2.jsonl").write_bytes(b"{\n"),
        (3, "file-changed", "done/2/batch_input_2"),
        id="a-parent-that-cannot-be-compared",
    ),
    pytest.param(
        lambda root: put(root, "1", input=[request(8)]),
        (11, "name-taken", "batch_input_1"),
        id="a-name-that-has-settled",
    ),
    pytest.param(answer_late, (8, "asked-again", "done/2"), id="answered-and-asked-again"),
    pytest.param(forge_account, (1, "account-differs", "done/4"), id="dismissed-and-miscounted"),
    pytest.param(
        lambda root: forge(root, "done/1/batch_output_1.jsonl", jsonl([answered(0), answered(0)])),
        (4, "answers-mismatch", "done/1"),
        id="settled-answers-that-do-not-match",
    ),
    pytest.param(
        lambda root: forge(root, "done/1/batch_metadata_1.jsonl", b""),
        (15, "record-unreadable", "done/1"),
        id="settled-record-emptied",
    ),
    pytest.param(
        lambda root: forge(root, "done/1/batch_input_1.jsonl", jsonl([{}])),
        (4, "answers-mismatch", "done/1"),
        id="settled-input-that-is-none",
    ),
    pytest.param(
        lambda root: rewrite(
            root, "done/1/manifest.json", lambda found: found["files"].pop("batch_input_1.jsonl")
        ),
        (1, "not-countable", "done/1"),
        id="manifest-without-an-input",
    ),
    *(
        pytest.param(
            lambda root, leaf=leaf: rewrite(
                root, "done/1/manifest.json", lambda found: found["files"].update({leaf: DIGEST})
            ),
            (10, "manifest-unreadable", "done/1/manifest.json"),
            id=f"manifest-of-{index}",
        )
        for index, leaf in enumerate(("mine.txt", "batch_of_mine.txt", "..", "../batch_input_2.jsonl", "a\0"))
    ),
    *(
        pytest.param(
            lambda root, changes=changes: rewrite_receipt(root, **changes),
            (10, "manifest-unreadable", "done/1/manifest.json"),
            id=f"receipt-with-{index}",
        )
        for index, changes in enumerate(
            (
                {"sha256": None},
                {"path": 5},
                {"path": "../elsewhere"},
                {"path": "/etc/hosts"},
                {"path": "target/\0"},
                {"files": [1]},
                {"files": {"target/../../x": DIGEST}},
            )
        )
    ),
    *(
        pytest.param(
            lambda root, leaf=leaf: (root / "quarantine/4.1/reason.json").write_text(
                json.dumps({"files": {leaf: DIGEST}})
            ),
            (3, "reason-unreadable", "4.1/reason.json"),
            id=f"reason-of-{index}",
        )
        for index, leaf in enumerate(("../../1", "a\0"))
    ),
    *(
        pytest.param(
            lambda root, told=told: tell(root, {"event": "batch.quarantined", "batch": "7", **told}),
            (3, "history-damaged", LEDGER),
            id=f"set-aside-{index}",
        )
        for index, told in enumerate(
            ({}, {"folder": "../x"}, {"folder": "quarantine/7.1\0"}, {"folder": [1]})
        )
    ),
    pytest.param(
        lambda root: tell(root, {"event": "batch.quarantined", "batch": "7", "folder": "quarantine/7.1"}),
        (1, "set-aside-gone", LEDGER),
        id="set-aside-and-gone",
    ),
    pytest.param(
        lambda root: tell(
            root, {"event": "batch.adopted", "intent": "1" * 32, "batch_id": "batch_8", "batch": "8"}
        ),
        (6, "sent-and-gone", LEDGER),
        id="adopted-and-gone",
    ),
]


@pytest.mark.parametrize(("tamper", "wanted"), [*TAMPERINGS, *DAMAGES])
def test_it_is_found(root: Path, tamper: Callable[[Path], object], wanted: tuple[int, str, str]) -> None:
    """What breaks a promise is found, under its number and its code, at the file that shows it."""
    tamper(root)
    before = stats(root)
    found = audit(root).findings
    assert [each for each in found if (each.promise, each.code) == wanted[:2] and wanted[2] in each.where], (
        found
    )
    assert stats(root) == before
