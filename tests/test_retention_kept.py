"""
`[retain] jsonl = "remove"` removes nothing whose results cannot be verified: it is kept, with the reason.

The whole table of reasons is in tests/planner/test_retaining.py.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler import decide, retention
from reconciler.retention import Jsonl
from reconciler.session import Options
from tests.plugging import Plugs, Seen, put_answers, refusing
from tests.retaining import ASKED, REMOVE, apply, jsonl_of, removed, sound
from tests.workspace.faults import Trip
from tests.workspaces import answered, failed, files, put, results, run, settings


def test_results_that_somebody_edited_before_a_retry_keep_the_answers(tmp_path: Path) -> None:
    """Results that lack lines are not taken for what was published because a child was made meanwhile."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(0), answered(2)], error=[failed(1, 429)])
    run(root)
    published = root / "target/1.results.jsonl"
    published.write_bytes(b"".join(published.read_bytes().splitlines(keepends=True)[:2]))
    decide.retry(str(root), settings(provider="openai"), ["1"])
    put(root, "1.r1", output=[answered(1)])
    run(root, **REMOVE)
    assert (root / "done/1.r1").is_dir()
    assert apply(root)["1"][0] is Jsonl.KEPT
    assert (root / "done/1/batch_output_1.jsonl").exists()


def test_a_manifest_that_is_replaced_just_before_the_removal_keeps_the_answers(tmp_path: Path) -> None:
    """It vouches for other results than those that were looked at: nothing goes until they are looked at."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    run(root)
    path, looks = root / "done/1/manifest.json", list[None]()

    def stopping() -> bool:
        # Asked before the batch is looked at, then before its files go.
        looks.append(None)
        if len(looks) == 2:
            found = json.loads(path.read_bytes())
            found["receipts"]["process-output"]["sha256"] = "0" * 64
            path.write_text(json.dumps(found))
        return False

    before = jsonl_of(root, "1")
    jsonl, because = apply(root, options=Options(stopping=stopping))["1"]
    assert len(looks) == 2
    assert jsonl is Jsonl.KEPT
    assert because == "done/1/manifest.json has changed since it was looked at; nothing was removed"
    assert apply(root)["1"][0] is Jsonl.KEPT
    assert jsonl_of(root, "1") == before


def edit_results(root: Path) -> None:
    """Change the results and not their size."""
    path = root / "target/1.results.jsonl"
    path.write_bytes(path.read_bytes().replace(b"answer 1", b"answer 7"))


def lose_results(root: Path) -> None:
    """Take the results away."""
    (root / "target/1.results.jsonl").unlink()


def edit_input(root: Path) -> None:
    """Change the settled input and not its size."""
    path = root / "done/1/batch_input_1.jsonl"
    path.write_bytes(path.read_bytes().replace(b"question 1", b"question 7"))


@pytest.mark.parametrize("spoil", [edit_results, lose_results, edit_input])
def test_what_cannot_be_verified_is_kept(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    """Results or files that are not what is written down of them keep every file; a pass goes on quietly."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    run(root, after_days=9.0, **REMOVE)
    spoil(root)
    before = jsonl_of(root, "1")
    assert run(root, **REMOVE).exit_code == 0
    ((jsonl, because),) = apply(root).values()
    assert jsonl is Jsonl.KEPT
    assert "not" in because
    assert jsonl_of(root, "1") == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"path": "../1.results.jsonl"}, "no path inside the workspace", id="leads-out"),
        pytest.param({"path": 7}, "expected a string", id="no-path"),
        pytest.param({"files": []}, "expected an object", id="no-files"),
        pytest.param({"sha256": None}, "expected a string", id="no-digest"),
        pytest.param({"unhandled": [1]}, "expected an object", id="no-counts"),
        pytest.param({"unhandled": {"requests": "many"}}, "expected a whole number", id="no-count"),
        pytest.param(None, "not a regular file", id="a-link"),
    ],
)
def test_a_receipt_that_is_none_of_ours_keeps_every_file(
    change: dict[str, Any] | None, words: str, tmp_path: Path
) -> None:
    """Whatever a manifest says was published, nothing goes on its word unless all of it can be read."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    run(root, after_days=9.0, **REMOVE)
    manifest = root / "done/1/manifest.json"
    told = json.loads(manifest.read_bytes())
    if change is None:
        manifest.rename(root / "done/kept.json")
        manifest.symlink_to("../kept.json")
    else:
        told["receipts"]["process-output"] |= change
        manifest.write_text(json.dumps(told))
    before = jsonl_of(root, "1")
    assert run(root, **REMOVE).exit_code == 0
    jsonl, because = apply(root)["1"]
    assert jsonl is Jsonl.KEPT
    assert because.startswith("done/1/ cannot be read: ")
    assert words in because
    assert jsonl_of(root, "1") == before


def test_answers_that_nobody_could_handle_are_kept(tmp_path: Path) -> None:
    """They can be read in the output file alone, whatever the settings say of failures."""
    root = tmp_path / "w"
    put_answers(root)
    Plugs(Seen(refusing("q-1"))).run(root, on_failure="settle", **REMOVE)
    assert (root / "done/1").exists()
    assert "1 answer could not be handled" in apply(root)["1"][1]
    assert "batch_output_1.jsonl" in jsonl_of(root, "1")


@pytest.mark.parametrize(
    "output", ["files", lambda _batch, _context: {"n": 1}, lambda _batch, _context: None]
)
def test_without_a_line_for_each_request_the_answers_are_kept(output: Any, tmp_path: Path) -> None:
    """Files of answers, and what a processor made of a whole batch, are not what results are read from."""
    root = tmp_path / "w"
    put_answers(root)
    Plugs(output).run(root, **REMOVE)
    assert "batch_output_1.jsonl" in jsonl_of(root, "1")
    assert "line for each request" in apply(root)["1"][1]


def test_values_of_a_processor_are_results(tmp_path: Path) -> None:
    """Where each answer has its line and its value, both stay, and the files may go."""
    root = tmp_path / "w"
    put_answers(root)
    Plugs(Seen()).run(root, **REMOVE)
    assert jsonl_of(root, "1") == removed("1")
    assert [row["value"] for row in results(root, "1")] == ["answer 0", "answer 1", "answer 2"]
    sound(root)


def test_what_cannot_be_vouched_for_is_kept(tmp_path: Path) -> None:
    """Without a manifest that can be read nobody knows what may go: all of it stays, and it is told."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED[:1], output=[answered(0)])
    run(root)
    (root / "done/1/manifest.json").write_bytes(b'{"schema": 1, "coverage": {}}')
    before = files(root)
    (kept,) = retention.retain(str(root), settings(**REMOVE)).batches
    assert (kept.jsonl, kept.failure) == (Jsonl.KEPT, None)
    assert "done/1/ cannot be read" in kept.because
    assert files(root) == before


def test_results_are_read_right_before_the_first_file_goes(tmp_path: Path) -> None:
    """Results that change between the decision and the removal stop it; nothing has gone by then."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    trip = Trip()
    run(root, tap=trip, **REMOVE)
    assert [change for change, path in trip.seen if path == "done/1/tombstone.json"] == ["link"]
    first = trip.seen.index(("link", "done/1/tombstone.json"))
    gone = [
        at
        for at, (change, path) in enumerate(trip.seen)
        if change == "unlink" and path.startswith("done/1/b")
    ]
    assert [trip.seen[at][1][len("done/1/batch_") :] for at in gone] == ["output_1.jsonl", "input_1.jsonl"]
    assert first < trip.seen.index(("append", ".reconciler/ledger.jsonl"), first) < min(gone)
    assert ("fsync-folder", "done/1") in trip.seen[first : min(gone)]
