"""The embedded provider from the command line, in processes of its own: answers, Ctrl-C, kill."""

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import Said, call, spawn
from tests.workers import noted, progress
from tests.workspaces import put, request, results

WORKER: Final = """
import os, signal

seen = 0

async def work(request):
    global seen
    seen += 1
    opened = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(opened, (request.custom_id + "\\n").encode())
    os.close(opened)
    if seen == {at}:
        os.kill(os.getpid(), signal.{name})
    message = {{"role": "assistant", "content": "fine"}}
    return {{"choices": [{{"index": 0, "message": message, "finish_reason": "stop"}}]}}
"""


MANY: Final = 3_000
"""Enough that the main thread gets its turn long before all are answered."""


def put_old(workspace: Path, count: int) -> None:
    """An input that has stood still for long."""
    put(workspace, "1", input=[request(n) for n in range(count)])
    os.utime(workspace / "workdir/batch_input_1.jsonl", (1, 1))


def answering(workspace: Path, tmp_path: Path, at: int, name: str) -> Said:
    """A pass whose worker sends its own process a signal at its *at*-th call."""
    path = tmp_path / "worker.py"
    path.write_text(WORKER.format(log=str(tmp_path / "calls"), at=at, name=name), "utf-8")
    (workspace / "reconciler.toml").write_text("[local]\nconcurrency = 2\n", "utf-8")
    return spawn(workspace, "--provider", "local", "--worker", f"{path}:work")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_keeps_what_is_under_way(name: str, workspace: Path, tmp_path: Path) -> None:
    """Ctrl-C or SIGTERM: 130, what was begun has ended and is kept; the next pass calls only the rest."""
    put_old(workspace, MANY)
    said = answering(workspace, tmp_path, 7, name)
    assert said.code == 130
    assert "Traceback" not in said.err
    called = noted(tmp_path / "calls")
    assert 7 <= called.total() < MANY
    assert f"{called.total()} of {MANY} requests have an end" in said.out
    assert progress(workspace, "1").exists()
    assert answering(workspace, tmp_path, 0, name).code == 0
    assert noted(tmp_path / "calls") == Counter(f"q-{n}" for n in range(MANY))
    assert [line["custom_id"] for line in results(workspace, "1")] == [f"q-{n}" for n in range(MANY)]


def test_a_killed_pass_calls_again_only_what_was_under_way(workspace: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle of a call: at most `concurrency` requests are called twice."""
    put_old(workspace, 40)
    assert answering(workspace, tmp_path, 7, "SIGKILL").code == -signal.SIGKILL
    assert answering(workspace, tmp_path, 0, "SIGKILL").code == 0
    called = noted(tmp_path / "calls")
    assert set(called) == {f"q-{n}" for n in range(40)}
    assert 1 <= called.total() - 40 <= 2


def test_echo_answers_out_of_the_box(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--provider local` and nothing else: the built-in worker answers, and the log says how many."""
    put_old(workspace, 3)
    said = call(capsys, workspace, "--provider", "local", "--json")
    assert said.code == 0
    assert [line["text"] for line in results(workspace, "1")] == [f"question {n}" for n in range(3)]
    (log,) = (workspace / "logs").iterdir()
    events = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert any(event.get("verb") == "answer-here" or "answer-here" in json.dumps(event) for event in events)


def test_plan_calls_nothing(workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan says that it would be answered here; no worker is called for it."""
    put_old(workspace, 1)
    path = tmp_path / "worker.py"
    path.write_text(WORKER.format(log=str(tmp_path / "calls"), at=0, name="SIGINT"), "utf-8")
    said = call(capsys, "plan", workspace, "--provider", "local", "--worker", f"{path}:work")
    assert said.code == 0
    assert "answer-here" in said.out
    assert not (tmp_path / "calls").exists()
