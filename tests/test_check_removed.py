"""`check` of a batch whose JSONL is gone: its tombstone, manifest, history and results prove each other."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import retention
from reconciler.check import check
from tests.workspaces import answered, digest_line, failed, files, put, request, run, settings

TOMBSTONE: Final = "done/1/tombstone.json"
RESULTS: Final = "target/1.results.jsonl"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A lineage of two batches whose JSONL was removed."""
    root = tmp_path / "w"
    asked = [request(n) for n in range(4)]
    put(root, "1", input=asked, output=[answered(0), answered(2)], error=[failed(1, 429), failed(3)])
    run(root, provider="openai")
    put(root, "1.r1", output=[answered(1)])
    run(root, jsonl="remove")
    retention.retain(str(root), settings(jsonl="remove"))
    assert not [*root.rglob("batch_input_*")]
    return root


def rewrite(root: Path, path: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a document of ours."""
    found = json.loads((root / path).read_bytes())
    change(found)
    (root / path).write_text(json.dumps(found))


def swap(path: Path, old: bytes, new: bytes) -> None:
    """Change bytes in a file."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def forge(root: Path, old: bytes = b'"outcome":"failed"', new: bytes = b'"outcome":"answered"') -> None:
    """Let results and everything that pins their digest tell of an answer that was never given."""
    swap(root / RESULTS, old, new)
    data = (root / RESULTS).read_bytes()
    known = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    rewrite(root, TOMBSTONE, lambda found: found["published"].update({RESULTS: known}))
    rewrite(root, "done/1/manifest.json", lambda found: found["receipts"]["process-output"].update(known))


TAMPERINGS: Final = [
    pytest.param(
        lambda root: swap(root / RESULTS, b"answer 0", b"answer 9"), 3, TOMBSTONE, id="results-edited"
    ),
    pytest.param(lambda root: (root / RESULTS).unlink(), 3, TOMBSTONE, id="results-gone"),
    pytest.param(
        lambda root: rewrite(root, TOMBSTONE, lambda f: f["files"]["batch_input_1.jsonl"].update(bytes=1)),
        2,
        TOMBSTONE,
        id="tombstone-lies-about-a-file",
    ),
    pytest.param(
        lambda root: rewrite(root, TOMBSTONE, lambda f: f["files"].pop("batch_output_1.jsonl")),
        3,
        "done/1/batch_output_1.jsonl",
        id="tombstone-forgets-a-file",
    ),
    pytest.param(
        lambda root: rewrite(root, TOMBSTONE, lambda f: f["coverage"]["answered"].update(requests=3)),
        1,
        TOMBSTONE,
        id="tombstone-lies-about-ids",
    ),
    pytest.param(
        lambda root: rewrite(root, TOMBSTONE, lambda f: f["published"].clear()),
        2,
        TOMBSTONE,
        id="tombstone-knows-no-results",
    ),
    pytest.param(lambda root: (root / TOMBSTONE).unlink(), 2, TOMBSTONE, id="tombstone-gone"),
    pytest.param(lambda root: (root / TOMBSTONE).unlink(), 3, "done/1/batch_input_1", id="files-unexplained"),
    pytest.param(lambda root: (root / TOMBSTONE).write_bytes(b""), 15, TOMBSTONE, id="tombstone-empty"),
    pytest.param(
        lambda root: rewrite(root, TOMBSTONE, lambda f: f.update(name="2")), 15, TOMBSTONE, id="of-another"
    ),
    pytest.param(
        lambda root: rewrite(
            root, TOMBSTONE, lambda f: f["files"].update({"../2": f["files"]["batch_input_1.jsonl"]})
        ),
        15,
        TOMBSTONE,
        id="tombstone-of-a-file-elsewhere",
    ),
    pytest.param(
        lambda root: rewrite(root, TOMBSTONE, lambda f: f.update(schema=2)),
        15,
        TOMBSTONE,
        id="tombstone-newer",
    ),
    pytest.param(lambda root: forge(root, b'"custom_id"', b'"custom-id"'), 1, RESULTS, id="rows-without-ids"),
    pytest.param(
        lambda root: forge(root, b'"outcome":"failed"', b'"outcome":"lost"'), 1, RESULTS, id="unheard-end"
    ),
    pytest.param(
        lambda root: (root / "done/1.r1/tombstone.json").write_bytes(b""),
        1,
        "batch_input_1.r1.jsonl",
        id="tombstone-of-the-child-empty",
    ),
    pytest.param(forge, 1, RESULTS, id="all-forged-but-the-count"),
    pytest.param(
        lambda root: rewrite(
            root,
            "done/1.r1/tombstone.json",
            lambda f: f["files"]["batch_input_1.r1.jsonl"].update(sha256="0" * 64),
        ),
        1,
        "batch_input_1.r1.jsonl",
        id="child-is-another",
    ),
]


def test_a_removed_lineage_is_sound(root: Path) -> None:
    """Every id is counted where it stands, as it was before anything was removed."""
    verdict = check(str(root), settings())
    assert (verdict.findings, verdict.notes) == ([], [])
    assert verdict.account == {"answered": 3, "failed": 1, "retried": 1}


@pytest.mark.parametrize(("tamper", "promise", "where"), TAMPERINGS)
def test_tampering_is_found(tamper: Callable[[Path], None], promise: int, where: str, root: Path) -> None:
    """Whatever is changed of what is left, `check` objects to it and names it, and changes nothing."""
    tamper(root)
    before = files(root)
    found = check(str(root), settings()).findings
    assert [each for each in found if each.promise == promise and where in each.where], found
    assert files(root) == before


def test_history_that_tells_of_other_files_is_found(root: Path) -> None:
    """History pins what was removed, byte for byte: nothing but its line was changed here."""
    sha256 = json.loads((root / TOMBSTONE).read_bytes())["files"]["batch_input_1.jsonl"]["sha256"]
    path = root / ".reconciler/ledger.jsonl"
    lines = path.read_bytes().splitlines()
    for at, line in enumerate(lines):
        told = json.loads(line)
        if told["event"] == "batch.removed" and told["batch"] == "1":
            told["files"]["batch_input_1.jsonl"] = sha256[::-1]
            del told["crc"]
            lines[at] = digest_line(told).rstrip(b"\n")
    path.write_bytes(b"\n".join(lines) + b"\n")
    (found,) = check(str(root), settings()).findings
    assert (found.promise, found.code, found.where) == (2, "tombstone-differs", TOMBSTONE)


def test_a_removal_that_was_cut_off_is_noted(root: Path) -> None:
    """A file that the tombstone calls removed and that is still there is told of, with who completes it."""
    path = root / "done/1/batch_output_1.jsonl"
    path.write_bytes(b"")
    rewrite(
        root,
        TOMBSTONE,
        lambda f: f["files"].update({path.name: {"sha256": hashlib.sha256(b"").hexdigest(), "bytes": 0}}),
    )
    notes = check(str(root), settings()).notes
    assert f"{TOMBSTONE}: the removal was cut off; a pass, or reconcile retain, completes it" in notes
