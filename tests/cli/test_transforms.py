"""A workspace whose error class names code, through the real command, with the fake provider on loopback."""

import json
from pathlib import Path
from typing import Final

import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import http_error
from tests.cli.calling import call
from tests.cli.remote import KEYS, There, asked, reach
from tests.workspaces import answered, failed, ledger, manifest, put, request

SLOW: Final = pytest.mark.slow
QUICK: Final = ("openai", "anthropic", "gemini")
"""One of each shape of lines but for Mistral's; the others are for the long run."""

CODE: Final = """
def halve(request, failure):
    assert failure.error_class == "over-length", failure.error_class
    text = next(part for part in str(request).split("'") if part.startswith("quest"))
    return swapped(request, text, text[: len(text) // 2])

def swapped(value, old, new):
    if isinstance(value, dict):
        return {key: swapped(each, old, new) for key, each in value.items()}
    if isinstance(value, list):
        return [swapped(each, old, new) for each in value]
    return new if value == old else value

def work(request):
    text = request.body["messages"][0]["content"]
    if len(text) > 4:
        raise ValueError("this is more than the maximum context length")
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
"""


def name_code(workspace: Path, code: str = CODE) -> None:
    """Settings that have requests halved which are too long."""
    (workspace / "shorten.py").write_text(code, "utf-8")
    text = '[policy.classes]\nover-length = "shorten.py:halve"\n[local]\nworker = "shorten.py:work"\n'
    (workspace / "reconciler.toml").write_text(text, "utf-8")


@pytest.fixture(params=[name if name in QUICK else pytest.param(name, marks=SLOW) for name in KEYS])
def there(
    request: pytest.FixtureRequest,
    fake_provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> There:
    """A provider that the command reaches."""
    return reach(fake_provider, request.param, monkeypatch, capsys)


def test_too_long_then_shortened_then_answered(workspace: Path, there: There) -> None:
    """What a provider finds too long is halved, sent once more and answered; every command says so."""
    put(workspace, "1", input=[asked(there.name, n) for n in range(4)])
    there.fake.clock.advance(10)
    name_code(workspace)
    long = http_error(400, "context_length_exceeded", "prompt is too long")
    there.fake.script(Fate(choose=lambda custom_id: long if custom_id.endswith(LAST[there.name]) else None))

    assert there.call(workspace).code == 78
    assert there.creates() == 0
    trusted = there.call("trust", workspace)
    assert "policy.classes.over-length = shorten.py:halve" in trusted.out
    said = there.call(workspace, "--wait")
    assert said.code == 0, said.out + said.err
    assert there.creates() == 2

    sent = (workspace / "done/1.r1/batch_input_1.r1.jsonl").read_text("utf-8")
    assert ("question" in sent, "ques" in sent, sent.count("\n")) == (False, True, 1)
    rows = [json.loads(line) for line in there.call("results", workspace).out.splitlines()]
    assert [(row["custom_id"], row["outcome"], row["attempt"]) for row in rows] == [
        ("q-0", "answered", 1),
        ("q-1", "answered", 2),
        ("q-2", "answered", 1),
        ("q-3", "answered", 1),
    ]
    assert there.call("check", workspace).code == 0
    told = there.call("explain", workspace, "q-1").out
    assert "changed    by shorten.py:halve/" in told
    (change,) = [
        each["changed"]
        for each in there.call("explain", workspace, "q-1", "--json").document["lives"][0]["attempts"]
        if each["changed"]
    ]
    assert change["by"].startswith("shorten.py:halve/")
    assert change["before"] != change["after"]
    assert manifest(workspace, "1")["children"]["1.r1"]["changed"]["requests"] == 1
    (event,) = [each for each in ledger(workspace) if each["event"] == "batch.retried"]
    assert event["changed"] == 1


LAST: Final = {name: "-2" if name in ("anthropic", "openrouter") else "q-1" for name in KEYS}
"""How the id of the second request ends on the wire."""


def test_a_run_on_this_machine(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a run nothing is called again unchanged; children are, halved, as long as attempts are left."""
    monkeypatch.setenv("RECONCILER_PROVIDER_NAME", "local")
    monkeypatch.setenv("RECONCILER_POLICY_SETTLE_SECONDS", "0")
    put(workspace, "1", input=[request(0)])
    name_code(workspace)
    assert call(capsys, "trust", workspace).code == 0
    said = call(capsys, workspace)
    assert said.code == 0, said.out + said.err
    (row,) = [json.loads(line) for line in call(capsys, "results", workspace).out.splitlines()]
    assert (row["text"], row["attempt"], row["batch"]) == ("qu", 3, "1.r2")
    assert [manifest(workspace, name)["attempt"] for name in ("1", "1.r1", "1.r2")] == [1, 2, 3]
    assert call(capsys, "check", workspace).code == 0


def test_plan_names_the_code_and_runs_none(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`plan` shows the step with the name of the code, which is not even imported."""
    put(workspace, "1", input=[request(0)], error=[failed(0, 413)])
    name_code(workspace, "raise SystemExit(99)\ndef halve(request): ...\ndef work(request): ...\n")
    assert call(capsys, "trust", workspace).code == 0
    said = call(capsys, "plan", workspace, "--provider", "openai")
    assert "change-requests" in said.out
    assert "shorten.py:halve/" in said.out


def test_a_function_that_wants_something_else(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Code that cannot be called with a request stops the pass before it begins: 78."""
    put(workspace, "1", input=[request(0)], output=[answered(0)])
    name_code(workspace, "def halve(one, two, three): ...\ndef work(request): ...\n")
    assert call(capsys, "trust", workspace).code == 0
    said = call(capsys, workspace)
    assert said.code == 78
    assert "policy.classes.over-length names shorten.py:halve" in said.err
    assert "must take (request), or (request, failure)" in said.err
    assert (workspace / "workdir/batch_input_1.jsonl").exists()


def test_by_variable_for_one_call(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A variable names code without trust, and takes a name away: then `retry` sends the line as it is."""
    put(workspace, "1", input=[request(0)], error=[failed(0, 413)])
    assert call(capsys, workspace).code == 0
    name_code(workspace)
    (workspace / "reconciler.toml").unlink()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE, "utf-8")
    monkeypatch.setenv("RECONCILER_POLICY_CLASSES_OVER_LENGTH", "mine.py:halve")
    assert call(capsys, "plan", workspace).code == 0
    monkeypatch.setenv("RECONCILER_POLICY_CLASSES_OVER_LENGTH", "retry")
    call(capsys, "retry", workspace, "1", "--class", "over-length")
    sent = (workspace / "workdir/batch_input_1.r1.jsonl").read_bytes()
    assert json.loads(sent) == request(0)
