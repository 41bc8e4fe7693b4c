"""
Nothing that others have written speaks to the terminal: no verb lets a cursor be moved, or text be hidden.

Ids, texts of models, words of providers, file names and settings are hostile at once, and every verb that
shows any of them is tried, in a pipe and on a terminal.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.cli.console import data, safe_json
from tests.cli.calling import COMMAND, call, controls, on_terminal
from tests.workspaces import answered, failed, put, request, run

EVIL: Final = "e\x1b]0;x\x07\x9b31m\u202e\u2028\u200d\x7f\r\n\U000e0041!"
"""A title, a colour in one byte, text turned around, ends of lines, a joiner, and a tag that nobody sees."""


def evil(line: dict[str, Any]) -> dict[str, Any]:
    """A request or an answer whose every word is hostile."""
    text = json.dumps(line).replace("question 0", EVIL_JSON).replace("answer 0", EVIL_JSON)
    found: dict[str, Any] = json.loads(text.replace("status 400", EVIL_JSON).replace('"m"', f'"{EVIL_JSON}"'))
    return {**found, "custom_id": f"{found['custom_id']}{EVIL}"}


EVIL_JSON: Final = json.dumps(EVIL)[1:-1]


@pytest.fixture
def hostile(workspace: Path) -> Path:
    """A settled batch with a failure; one in quarantine, one short, one refused, one sent, a file ignored."""
    put(
        workspace,
        "1",
        input=[evil(request(0)), evil(request(1))],
        output=[evil(answered(0))],
        error=[evil(failed(1))],
    )
    put(workspace, "2", input=[evil(request(0))], output=[evil(answered(0)), evil(answered(3))])
    put(workspace, "3", input=[evil(request(0)), evil(request(4))], output=[evil(answered(0))])
    run(workspace)
    heard = {"refusals": [{"code": EVIL, "message": EVIL, "line": 1}]}
    sent = {"schema": 1, "generation": 2, "name": "4", "provider": "openai", "attempt": 1}
    record = {
        **sent,
        "state": "rejected",
        "intent": "0" * 32,
        "status": EVIL,
        "batch_id": EVIL,
        "online": heard,
    }
    put(workspace, "4", input=[request(7)], metadata=record)
    put(workspace, "5", input=[request(8)], metadata={"batch_id": f"batch_{EVIL}", "input_file_id": EVIL})
    (workspace / "workdir" / f"x{EVIL}").write_bytes(b"")
    (workspace / "target" / f".reconciler-tmp-x{EVIL}").write_bytes(b"")
    return workspace


SAID: Final = (
    "run WORKSPACE -vv",
    "plan WORKSPACE",
    "status WORKSPACE --all",
    "check WORKSPACE",
    "check WORKSPACE --repair",
    "results WORKSPACE --format table",
    "explain WORKSPACE ID",
    "explain WORKSPACE IE",
    "retry WORKSPACE 1 3 -v",
    "dismiss WORKSPACE 2 -v",
    "process WORKSPACE 3",
    "submit WORKSPACE 4",
    "resubmit WORKSPACE 4",
    "cancel WORKSPACE 5",
    "adopt WORKSPACE 4 ID",
    "audit WORKSPACE",
    "resume WORKSPACE",
    "replay WORKSPACE --dry-run --output-processor files",
    "replay WORKSPACE ID",
    "retain WORKSPACE --jsonl remove",
    "registry export WORKSPACE ID.csv",
    "registry import WORKSPACE ID",
    "split ID --into WORKSPACE --batch-size 1",
    "trust WORKSPACE --owner",
)
JSON: Final = (
    "status WORKSPACE --json",
    "plan WORKSPACE --json",
    "check WORKSPACE --json",
    "run WORKSPACE --json",
)


def spelled(words: str, workspace: Path) -> list[str]:
    """Words with the workspace, an id and one that is close to it."""
    known = {"WORKSPACE": str(workspace), "ID": f"q-0{EVIL}", "IE": f"q-0{EVIL[:-2]}"}
    return [
        known.get(word, word.replace("ID.csv", f"{EVIL}.csv".replace("\n", ""))) for word in words.split()
    ]


@pytest.mark.parametrize("words", [*SAID, *JSON])
def test_what_a_verb_says(
    words: str, hostile: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word of others reaches the terminal as it is, on stdout or on stderr; something is said."""
    monkeypatch.chdir(hostile.parent)
    said = call(capsys, *spelled(words, hostile))
    assert said.out + said.err
    assert controls(said.out + said.err) == set(), said
    if words.endswith("--json"):
        assert EVIL in json.dumps(said.document, ensure_ascii=False) or EVIL_JSON in json.dumps(said.document)


@pytest.mark.parametrize(
    "words",
    [
        "results WORKSPACE --format jsonl",
        "results WORKSPACE --format csv",
        "retry WORKSPACE --print",
    ],
)
def test_data_on_a_terminal(words: str, hostile: Path) -> None:
    """Data that a program gets byte for byte is shown with escapes where a person looks on."""
    _, seen = on_terminal([*COMMAND, *spelled(words, hostile)], NO_COLOR="1")
    assert "q-0" in seen or "q-1" in seen
    # A terminal's own line ends: a carriage return before each line feed.
    assert controls(seen.replace("\r\n", "\n")) == set()


def test_data_in_a_pipe_keeps_its_bytes(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Where no terminal is, the bytes are those that were made."""
    data((EVIL.encode(), b"\xff"), as_json=True)
    assert capfdbinary.readouterr().out == EVIL.encode() + b"\xff"


def test_json_says_the_same() -> None:
    """An escape in JSON is the character itself to every reader, pairs of surrogates too."""
    text = json.dumps({"a": EVIL, "\u200d": ["\x9b", "ä\U0001f600"]}, ensure_ascii=False, indent=1)
    assert json.loads(safe_json(text)) == json.loads(text)
    assert controls(safe_json(text)) == set()
    assert "ä\U0001f600" in safe_json(text)
