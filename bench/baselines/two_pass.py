"""
A whole run over a workspace as one would write it in an afternoon, with the json of the standard library.

For each batch, pass one holds the ids of input and answers against each other and computes the digests, pass
two writes the results and moves the files to done/. It survives no crash and no odd line; nothing is synced.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from bench.baselines.records import record_of

BUFFER: Final = 1 << 20


def main(workspace: Path) -> None:
    """Settle every batch of a workspace."""
    for folder in ("done", "target"):
        (workspace / folder).mkdir(exist_ok=True)
    live = workspace / "workdir"
    names = [path.stem.removeprefix("batch_input_") for path in live.glob("batch_input_*.jsonl")]
    for name in sorted(names):
        files = [live / f"batch_{role}_{name}.jsonl" for role in ("input", "output", "error")]
        present = [path for path in files if path.is_file()]
        settle(workspace, name, present)


def settle(workspace: Path, name: str, files: Sequence[Path]) -> None:
    """
    Settle one batch.

    Raises:
        ValueError: Its ids do not match.
    """
    asked, *answers = files
    digests: dict[str, str] = {}
    order = list(_ids(asked, digests))
    if Counter(order) != Counter(each for path in answers for each in _ids(path, digests)):
        raise ValueError(f"the ids of {name} do not match")
    records = {}
    for path in answers:
        for line in _lines(path):
            record = record_of(line, name)
            records[record["custom_id"]] = record
    with (workspace / "target" / f"{name}.results.jsonl").open(
        "w", buffering=BUFFER, encoding="utf-8"
    ) as out:
        for custom_id in order:
            out.write(json.dumps(records[custom_id]) + "\n")
    done = workspace / "done" / name
    done.mkdir()
    manifest = {"name": name, "requests": len(order), "sha256": digests}
    (done / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    for path in files:
        path.rename(done / path.name)


def _ids(path: Path, digests: dict[str, str]) -> Iterator[str]:
    hasher = hashlib.sha256()
    with path.open("rb", buffering=BUFFER) as lines:
        for line in lines:
            hasher.update(line)
            yield json.loads(line)["custom_id"]
    digests[path.name] = hasher.hexdigest()


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb", buffering=BUFFER) as lines:
        for line in lines:
            yield json.loads(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
