"""A workspace of every kind of batch for tests of `check`, and what changes it by hand behind its back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from reconciler.check import Verdict, check
from tests.workspaces import answered, digest_line, failed, ledger, put, request, run, settings

LEDGER: Final = ".reconciler/ledger.jsonl"


def make(root: Path) -> Path:
    """1 settled; 2 settled, with the waiting child 2.r1; 4 in quarantine; 6 sent as batch_6."""
    asked = [request(n) for n in range(3)]
    put(root, "1", input=asked, output=[answered(n) for n in range(3)])
    put(root, "2", input=asked, output=[answered(0)], error=[failed(1, 429), failed(2)])
    put(root, "4", input=asked, output=[answered(0), answered(0)])
    run(root, provider="openai")
    sent = {"schema": 1, "generation": 3, "name": "6", "provider": "openai", "state": "submitted"}
    put(root, "6", input=[request(9)], metadata={**sent, "intent": "0" * 32, "batch_id": "batch_6"})
    told = {"batch": "6", "intent": "0" * 32}
    tell(
        root, {"event": "batch.creating", **told}, {"event": "batch.submitted", **told, "batch_id": "batch_6"}
    )
    assert audit(root).findings == []
    return root


def audit(root: Path, **secrets: str) -> Verdict:
    """The verdict on a workspace."""
    return check(str(root), settings(), secrets=secrets)


def tell(root: Path, *events: dict[str, Any]) -> None:
    """Add whole lines to history."""
    with (root / LEDGER).open("ab") as stream:
        stream.writelines(digest_line({"at": 1, **each}) for each in events)


def forget(root: Path, event: str, batch: str) -> None:
    """Take a line out of history."""
    path = root / LEDGER
    kept = [
        line
        for line in path.read_bytes().splitlines(keepends=True)
        if (found := json.loads(line)) and (found["event"], found["batch"]) != (event, batch)
    ]
    assert len(kept) < len(ledger(root))
    path.write_bytes(b"".join(kept))


def rewrite(root: Path, path: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a document from within."""
    found = json.loads((root / path).read_bytes())
    change(found)
    (root / path).write_text(json.dumps(found) + "\n", "utf-8")


def rewrite_receipt(root: Path, **changes: Any) -> None:
    """Let a manifest tell something else of what was published."""
    rewrite(root, "done/1/manifest.json", lambda found: found["receipts"]["process-output"].update(changes))
