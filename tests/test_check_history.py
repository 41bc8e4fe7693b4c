"""
`check` against what history, records and results say: of what was spent, of keys, and of what is no fault.

Its findings have a code for machines; every code of the package stands in docs/guarantees.md.
"""

import ast
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.check import check, keys_in
from reconciler.executor.context import Silent
from tests.tampering import LEDGER, audit, forget, make, rewrite_receipt, tell
from tests.test_check import flip
from tests.workspaces import jsonl, put, record, request, settings

PACKAGE: Final = Path(__file__).parents[1] / "reconciler"
KEY: Final = "sk-canary-0123456789abcdef"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """1 settled; 2 settled, with the waiting child 2.r1; 4 in quarantine; 6 sent as batch_6."""
    return make(tmp_path / "w")


RESERVED: Final = {"event": "spend.reserved", "batch": "6", "key": "k", "provider": "openai", "models": {}}
CREATED: Final = {"event": "batch.creating", "batch": "6", "intent": "k"}
SPENT: Final = {"event": "spend.settled", "batch": "1", "key": "k", "provider": "openai", "why": "answered"}

OVERSPENT: Final = [
    pytest.param([{**CREATED, "reserved": 5}], "spend-unreserved", id="created-unreserved"),
    pytest.param(
        [{**RESERVED, "nano_usd": 4}, {**CREATED, "reserved": 5}], "spend-unreserved", id="created-for-more"
    ),
    pytest.param(
        [
            {**RESERVED, "nano_usd": 4},
            {**SPENT, "batch": "6", "why": "nothing ran", "nano_usd": 0},
            {**CREATED, "reserved": 4},
        ],
        "spend-unreserved",
        id="created-after-it-was-given-back",
    ),
    pytest.param([{**RESERVED, "nano_usd": None, "cap": 5}], "spend-past-limit", id="sent-without-a-price"),
    pytest.param([{**RESERVED, "nano_usd": 6, "cap": 5}], "spend-past-limit", id="sent-past-the-limit"),
    pytest.param([{**SPENT, "why": "nothing ran", "nano_usd": 5}], "spend-differs", id="nothing-that-cost"),
    pytest.param([{**SPENT, "nano_usd": 5, "models": {"m": 4}}], "spend-differs", id="parts-that-are-less"),
    pytest.param([{**SPENT, "nano_usd": 5, "models": {"m": "x"}}], "spend-differs", id="parts-in-words"),
    pytest.param([{**SPENT, "nano_usd": 0, "models": {}, "tokens": {"m": 1}}], "spend-differs", id="tokens"),
]


@pytest.mark.parametrize(("told", "code"), OVERSPENT)
def test_spending_that_does_not_hold(root: Path, told: list[dict[str, Any]], code: str) -> None:
    """What was created, reserved or spent otherwise than it may be is found, whatever a line says instead."""
    tell(root, *told)
    assert {each.code for each in audit(root).findings} == {code}


def test_spending_that_nobody_can_recount(root: Path) -> None:
    """Without a limit, without a settled batch or without answers that can be read, no sum is objected to."""
    (root / "done/1/batch_output_1.jsonl").write_bytes(b"x" * 5000)
    tell(
        root,
        {**RESERVED, "nano_usd": 6},
        {**CREATED, "reserved": 6},
        *({**SPENT, "batch": name, "nano_usd": 0, "models": {}, "at": "noon"} for name in ("1", "6", "../1")),
    )
    verdict = check(str(root), settings(line_bytes=4096))
    assert {each.code for each in verdict.findings} == {"file-changed"}


def test_what_is_published_and_holds_no_rows(root: Path) -> None:
    """A file with something else than a line for each request is held to its digest, and not counted."""
    (root / "target/1.txt").write_bytes(b"mine")
    known = {"sha256": hashlib.sha256(b"mine").hexdigest(), "bytes": 4}
    rewrite_receipt(root, files={"target/1.txt": known})
    assert (audit(root).findings, [note for note in audit(root).notes if "target" in note]) == ([], [])


def test_an_input_that_was_sent_is_held_in_quarantine(root: Path) -> None:
    """The input of a batch that was sent and set aside may not change; its answers may be mended."""
    path = "quarantine/4.1/batch_metadata_4.jsonl"
    data = (root / "quarantine/4.1/batch_input_4.jsonl").read_bytes()
    known = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "requests": 3}
    (root / path).write_text(json.dumps({"schema": 1, "generation": 1, "name": "4", "input": known}), "utf-8")
    assert audit(root).findings == []
    flip(root, "quarantine/4.1/batch_output_4.jsonl")
    assert audit(root).findings == []
    assert any("batch_output_4.jsonl: not what was set aside" in note for note in audit(root).notes)
    flip(root, "quarantine/4.1/batch_input_4.jsonl")
    assert [(each.promise, each.code) for each in audit(root).findings] == [(2, "input-changed")]


@pytest.mark.parametrize(
    ("tamper", "note"),
    [
        pytest.param(
            lambda root: os.link(root / "done/1/batch_input_1.jsonl", root / "workdir/batch_input_1.jsonl"),
            "done/1/ is there too; the next pass finishes the move or says clash",
            id="move-cut-off",
        ),
        pytest.param(
            lambda root: os.link(
                root / "quarantine/4.1/batch_input_4.jsonl", root / "workdir/batch_input_4.jsonl"
            ),
            "workdir/batch_input_4.jsonl: its move to quarantine was cut off; the next pass completes it",
            id="quarantine-cut-off",
        ),
        pytest.param(
            lambda root: [put(root, "7", input=[request(7)]), (root / "done/batch_input_7.jsonl").touch()],
            "workdir/batch_input_7.jsonl: done/ holds a file of that name, left by another tool",
            id="left-by-another-tool",
        ),
        pytest.param(
            lambda root: put(root, "7", input=[request(7), request(7)]),
            "its ids cannot be counted",
            id="bad-input",
        ),
        pytest.param(
            lambda root: put(root, "7", metadata={"schema": 1, "generation": 1, "name": "7"}),
            "workdir/batch_metadata_7.jsonl: its input is gone",
            id="metadata-alone",
        ),
        pytest.param(
            lambda root: (root / "quarantine/4.1/batch_input_4.jsonl").unlink(),
            "quarantine/4.1: its input is not there; its ids cannot be counted",
            id="set-aside-without-input",
        ),
        pytest.param(
            lambda root: (root / "failed-items/2.jsonl").unlink(),
            "failed-items/2.jsonl: told of 1 request given up, and is not there any more",
            id="given-up-and-gone",
        ),
    ],
)
def test_what_a_pass_or_its_user_will_mend_is_noted(
    root: Path, tamper: Callable[[Path], object], note: str
) -> None:
    """What was cut off, what others left and what is not ours to keep is told, and is no broken promise."""
    tamper(root)
    verdict = audit(root)
    assert verdict.findings == []
    assert [each for each in verdict.notes if each.endswith(note)], verdict.notes


class Writing(Silent):
    """A pass at work: it writes to a live input while that is being read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, path: str, size: int) -> None:  # noqa: ARG002 - as in any progress
        """Write when the file is about to be read."""
        if self.path.as_posix().endswith(path):
            with self.path.open("ab") as stream:
                stream.write(b" ")


def test_a_pass_at_work_is_no_broken_promise(root: Path) -> None:
    """A file that is written to while it is counted is told of, and nothing is said against it."""
    verdict = check(str(root), settings(), Writing(root / "workdir/batch_input_6.jsonl"))
    assert verdict.findings == []
    assert "6: a pass is working on it; run check again when it has ended" in verdict.notes


def test_metadata_whose_input_another_tool_has_moved_says_nothing(root: Path) -> None:
    """A record stays behind where another tool moved the input to `done/`; that is no loss."""
    put(root, "7", metadata={"schema": 1, "generation": 1, "name": "7"})
    (root / "done/batch_input_7.jsonl").write_bytes(jsonl([request(7)]))
    verdict = audit(root)
    assert (verdict.findings, [note for note in verdict.notes if "_7" in note]) == ([], [])


def test_other_requests_given_up_than_counted(root: Path) -> None:
    """As many requests as were given up are no proof: they have to be the same."""
    path = root / "failed-items/2.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"q-2"', b'"q-0"'))
    (found,) = audit(root).findings
    assert (found.promise, found.code, found.where) == (1, "given-up-differs", "failed-items/2.jsonl")
    assert found.what == "other requests than 2 has given up"


def test_history_that_speaks_of_a_batch_without_a_name(root: Path) -> None:
    """What was sent is known to history, whoever it was for; the rest of such a line is passed over."""
    forget(root, "batch.submitted", "6")
    tell(root, {"event": "batch.submitted", "batch": "../6", "batch_id": "batch_6"})
    assert audit(root).findings == []


def test_history_that_names_an_id_and_does_not_say_that_it_was_sent(root: Path) -> None:
    """Only some events tell that a batch lies at a provider, whatever others say of its id."""
    forget(root, "batch.submitted", "6")
    (without,) = audit(root).findings
    tell(root, {"event": "batch.cancelled", "batch": "6", "batch_id": "batch_6"})
    assert audit(root).findings == [without]


def test_a_removal_of_a_folder_that_is_gone(root: Path) -> None:
    """A whole folder that is gone is told of where it settled; that it was emptied is no second loss."""
    tell(root, {"event": "batch.removed", "batch": "9", "files": {}})
    assert audit(root).findings == []


def test_a_settled_batch_without_its_line_is_noted(root: Path) -> None:
    """A folder in `done/` of which history has no line is told of; its manifest proves it all the same."""
    forget(root, "batch.settled", "1")
    verdict = audit(root)
    assert (verdict.findings, [note for note in verdict.notes if "no line of it" in note]) == (
        [],
        ["done/1/manifest.json: history has no line of it"],
    )


def test_what_else_lies_in_a_settled_folder_is_noted(root: Path) -> None:
    """A file that did not settle is told of, and is no broken promise."""
    (root / "done/1/mine.txt").write_text("mine", "utf-8")
    verdict = audit(root)
    assert verdict.findings == []
    assert "done/1/mine.txt: not one of the files that settled" in verdict.notes


@pytest.mark.parametrize(
    "path",
    [
        LEDGER,
        "logs/2026-01-01.jsonl",
        ".reconciler/made/by/hand.json",
        "workdir/batch_metadata_6.jsonl",
        "done/1/manifest.json",
    ],
)
def test_a_key_in_a_file_of_ours_is_found(path: str, root: Path) -> None:
    """A key of the environment that stands in a file is found, wherever a block ends, and is not shown."""
    (root / path).parent.mkdir(exist_ok=True, parents=True)
    (root / ".reconciler/link").symlink_to(root / "elsewhere")
    with (root / path).open("ab") as stream:
        stream.write(b" " * (1 << 20))
        stream.seek((1 << 20) - 5)
        stream.write(KEY.encode())
    found = [each for each in audit(root, OPENAI_API_KEY=KEY).findings if each.code == "key-shown"]
    assert [(each.promise, each.where) for each in found] == [(18, path)]
    assert "OPENAI_API_KEY" in found[0].what
    assert KEY not in found[0].what


def test_keys_are_taken_from_the_environment() -> None:
    """The names of official clients count, and what is too short to be a key does not."""
    environment = {"OPENAI_API_KEY": KEY, "GROQ_API_KEY": "x", "HOME": "/a/long/enough/path"}
    assert keys_in(environment) == {"OPENAI_API_KEY": KEY}


def codes() -> set[str]:
    """Every code that the package gives a finding."""
    found = set()
    for path in (PACKAGE / "check").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "object":
                found |= {
                    each.value
                    for given in node.args[3:]
                    for each in ast.walk(given)
                    if isinstance(each, ast.Constant)
                }
    return {each for each in found if isinstance(each, str)}


def test_every_code_is_documented() -> None:
    """Each code that a finding may have stands in the table of docs/guarantees.md."""
    text = (PACKAGE.parent / "docs" / "guarantees.md").read_text("utf-8")
    assert len(codes()) > 20
    assert [code for code in sorted(codes()) if f"`{code}`" not in text] == []


def test_records_are_left_as_they_are(root: Path) -> None:
    """The metadata that these tests rest on is what the product reads."""
    assert record(root, "6")["batch_id"] == "batch_6"
