"""
`check` recounts every promise from the files alone: it finds what was tampered with and changes nothing.

Its verdict names the promise by its number: 1 conservation, 2 inputs, 3 whole files, 10 whole folders,
11 no clobber, 15 fail closed.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from reconciler import decide
from reconciler.check import Verdict, check
from reconciler.model.report import State
from tests.workspaces import answered, digest_line, failed, files, put, request, run, settings, stats

LEDGER: Final = ".reconciler/ledger.jsonl"


def audit(root: Path) -> Verdict:
    """The verdict on a workspace."""
    return check(str(root), settings())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """
    A workspace with one batch of each kind.

    1 settled; 2 settled, one failure with child 2.r1, which waits; 3 misses an answer; 4 in quarantine;
    5 waits.
    """
    root = tmp_path / "w"
    asked = [request(n) for n in range(3)]
    put(root, "1", input=asked, output=[answered(n) for n in range(3)])
    put(root, "2", input=asked, output=[answered(0)], error=[failed(1, 429), failed(2)])
    put(root, "3", input=asked, output=[answered(0), answered(1)])
    put(root, "4", input=asked, output=[answered(0), answered(0)])
    put(root, "5", input=[request(9)])
    run(root, provider="openai")
    return root


def further_down(levels: int, root: Path) -> Verdict:
    """The verdict, as one gets it who calls from so many levels down the stack."""
    return check(str(root), settings()) if levels == 0 else further_down(levels - 1, root)


def flip(root: Path, path: str) -> None:
    """Change one byte of a file and not its size."""
    data = bytearray((root / path).read_bytes())
    data[len(data) // 2] ^= 1
    (root / path).write_bytes(data)


def remove_folder(root: Path, path: str) -> None:
    """Remove a folder of files."""
    for each in (root / path).iterdir():
        each.unlink()
    (root / path).rmdir()


def count_one_more(root: Path) -> None:
    """Let a manifest say that one more was answered and one less failed."""
    path = root / "done/2/manifest.json"
    found = json.loads(path.read_bytes())
    found["coverage"]["answered"]["requests"] += 1
    found["coverage"]["failed"]["requests"] -= 1
    path.write_text(json.dumps(found))


def unbalance(root: Path) -> None:
    """Let a manifest count an answer more than there are ids."""
    path = root / "done/2/manifest.json"
    found = json.loads(path.read_bytes())
    found["coverage"]["answered"]["requests"] += 1
    path.write_text(json.dumps(found))


def flip_line(root: Path, path: str) -> None:
    """Ask something else under the same id."""
    data = (root / path).read_bytes()
    (root / path).write_bytes(data.replace(b"question 1", b"question 7"))


def break_history(root: Path) -> None:
    """Change a line of the ledger that is not the last."""
    path = root / LEDGER
    lines = path.read_bytes().split(b"\n")
    assert len(lines) > 2
    path.write_bytes(b"\n".join([lines[0].replace(b'"batch":"', b'"batch":"9'), *lines[1:]]))


def add_request(root: Path, path: str) -> None:
    """Append a request to an input."""
    with (root / path).open("ab") as stream:
        stream.write(json.dumps(request(77)).encode() + b"\n")


TAMPERINGS: Final = [
    pytest.param(
        lambda root: flip(root, "done/1/batch_output_1.jsonl"), 3, "batch_output_1", id="answer-flipped"
    ),
    pytest.param(
        lambda root: flip(root, "done/1/batch_input_1.jsonl"), 3, "batch_input_1", id="input-flipped"
    ),
    pytest.param(
        lambda root: flip(root, "done/2/batch_metadata_2.jsonl"), 3, "batch_metadata_2", id="record-flipped"
    ),
    pytest.param(
        lambda root: (root / "done/1/batch_output_1.jsonl").unlink(), 3, "batch_output_1", id="answer-deleted"
    ),
    pytest.param(lambda root: (root / "done/1/manifest.json").unlink(), 10, "done/1", id="manifest-deleted"),
    pytest.param(
        lambda root: (root / "done/1/manifest.json").write_bytes(b"{}"), 10, "done/1", id="manifest-emptied"
    ),
    pytest.param(lambda root: remove_folder(root, "done/1"), 2, LEDGER, id="folder-deleted"),
    pytest.param(count_one_more, 1, "done/2", id="manifest-edited"),
    pytest.param(
        lambda root: add_request(root, "workdir/batch_input_2.r1.jsonl"),
        2,
        "batch_input_2.r1",
        id="child-changed",
    ),
    pytest.param(
        lambda root: add_request(root, "workdir/batch_input_2.r1.jsonl"),
        1,
        "batch_input_2.r1",
        id="child-holds-other-ids",
    ),
    pytest.param(
        lambda root: (root / "workdir/batch_input_2.r1.jsonl").unlink(), 1, "2.r1", id="child-deleted"
    ),
    pytest.param(unbalance, 1, "done/2/manifest.json", id="manifest-unbalanced"),
    pytest.param(
        lambda root: (root / "workdir/batch_output_3.jsonl").unlink(), 1, "batch_input_3", id="answers-gone"
    ),
    pytest.param(
        lambda root: [(root / f"workdir/batch_{role}_3.jsonl").unlink() for role in ("input", "output")],
        1,
        "batch_metadata_3",
        id="counted-and-gone",
    ),
    pytest.param(
        lambda root: flip_line(root, "workdir/batch_input_2.r1.jsonl"), 2, "batch_input_2.r1", id="child-line"
    ),
    pytest.param(break_history, 3, f"{LEDGER}:1", id="history-changed"),
    pytest.param(
        lambda root: (root / "workdir/batch_metadata_3.jsonl").write_bytes(b""),
        15,
        "batch_metadata_3",
        id="record-emptied",
    ),
    pytest.param(
        lambda root: (root / "workdir/batch_metadata_3.jsonl").write_bytes(b'{"schema": 9}\n'),
        15,
        "batch_metadata_3",
        id="record-newer",
    ),
    pytest.param(
        lambda root: (root / "workdir/batch_input_3.jsonl").unlink(),
        1,
        "batch_output_3",
        id="live-input-deleted",
    ),
]


def test_a_clean_workspace(root: Path) -> None:
    """Nothing is found where nothing was tampered with, and every id is counted in one place."""
    verdict = audit(root)
    assert verdict.findings == []
    assert verdict.batches == 6
    # Batch 2's retried id is its child's pending one.
    expected = {"answered": 6, "failed": 1, "retried": 1, "missing": 1, "quarantined": 3, "pending": 2}
    assert verdict.account == expected


@pytest.mark.parametrize(("tamper", "promise", "where"), TAMPERINGS)
def test_tampering_is_found(root: Path, tamper: Callable[[Path], object], promise: int, where: str) -> None:
    """Whatever is changed behind the product's back is found, with the promise that it breaks."""
    tamper(root)
    findings = audit(root).findings
    assert [each for each in findings if each.promise == promise and where in each.where], findings


def test_an_input_that_was_changed_after_it_was_matched(tmp_path: Path) -> None:
    """The input that a record trusts is the input that lies there."""
    root = tmp_path / "w"
    put(root, "1", input=[request(0)], error=[failed(0)])
    run(root, failed="attention")
    assert audit(root).findings == []
    put(root, "1", input=[request(5)])
    found = {(each.promise, each.where) for each in audit(root).findings}
    assert (2, "workdir/batch_input_1.jsonl") in found


def test_a_torn_last_line_of_history_is_noted(root: Path) -> None:
    """A kill may tear the last line of the ledger: that is reported, and is no broken promise."""
    with (root / LEDGER).open("ab") as stream:
        stream.write(b'{"at":1,"event":"batch.se')
    verdict = audit(root)
    assert verdict.findings == []
    assert [note for note in verdict.notes if LEDGER in note]


def test_a_line_of_history_that_names_no_batch(root: Path) -> None:
    """A whole line of the ledger that says less than expected is reported, not a traceback."""
    with (root / LEDGER).open("ab") as stream:
        stream.write(digest_line({"at": 1, "event": "batch.settled"}))
    audit(root)


def test_a_link_is_a_finding(tmp_path: Path) -> None:
    """A link where a file should be is reported and not followed."""
    root = tmp_path / "w"
    put(root, "1", input=[request(0)])
    (root / "workdir/batch_output_1.jsonl").symlink_to(tmp_path / "elsewhere")
    assert [each.promise for each in audit(root).findings] == [11]


def test_checking_changes_nothing(root: Path) -> None:
    """No file, no folder, no time is other than before."""
    before = stats(root)
    audit(root)
    assert stats(root) == before


def test_checking_makes_no_private_folder(tmp_path: Path) -> None:
    """A workspace that has seen no pass is checked without leaving a trace."""
    root = tmp_path / "w"
    put(root, "1", input=[request(0)], output=[answered(0)])
    before = stats(root)
    assert audit(root).findings == []
    assert stats(root) == before
    assert not (root / ".reconciler").exists()


def test_a_dismissed_batch_is_sound(root: Path) -> None:
    """What a person gave up is counted as given up, and breaks nothing."""
    decide.dismiss(str(root), settings(provider="openai"), ["4"])
    verdict = audit(root)
    assert verdict.findings == []
    assert verdict.account["dismissed"] == 3
    assert "quarantined" not in verdict.account


def test_files_stay_readable_in_quarantine(root: Path) -> None:
    """Ids in quarantine are counted from the input that lies there, not from what anybody wrote down."""
    (root / "quarantine/4.1/reason.json").write_bytes(b"not json")
    assert audit(root).account["quarantined"] == 3
    assert any(path.startswith("quarantine/4.1/batch_input") for path in files(root))


def test_a_staging_folder_that_nobody_completes_is_noted(root: Path) -> None:
    """A move that was cut off, and whose batch went elsewhere since, leaves links that check tells of."""
    (root / "done" / ".staging-9").mkdir(parents=True)
    verdict = check(str(root), settings())
    assert verdict.findings == []
    assert "done/.staging-9/: left by a move that was cut off" in verdict.notes


def test_what_has_settled_can_be_read_from_anywhere(tmp_path: Path) -> None:
    """An answer so deep that it hangs on the stack whether it can be read does not settle."""
    for depth in range(600, 1000, 5):
        answer = answered(0)
        answer["response"]["body"]["x"] = 0
        line = json.dumps(answer).replace('"x": 0', '"x": ' + "[" * depth + "]" * depth)
        put(tmp_path, str(depth), input=[request(0)], output=[line.encode()])
    report = run(tmp_path)
    assert State.SETTLED in {each.state for each in report.batches}
    assert further_down(150, tmp_path).findings == []
