"""Ctrl-C and SIGTERM end a pass with 130, lose nothing, and the next pass goes on from there."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import pytest

from reconciler.cli.interrupt import Stop
from tests.cli.calling import COMMAND, WAIT, Said, call, environment, put_settled, spawn
from tests.workspaces import files, put, request, results

LINES: Final = 6_000
"""Enough to be read for a good part of a second."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input and an output that take a while to match."""
    folder = tmp_path_factory.mktemp("large")
    asked = (
        '{"custom_id":"%d","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[]}}\n'
    )
    choice = '{"index":0,"message":{"role":"assistant","content":"4"},"finish_reason":"stop"}'
    body = '{"status_code":200,"body":{"model":"m","choices":[' + choice + "]}}"
    given = '{"id":"r","custom_id":"%d","response":' + body + ',"error":null}\n'
    for role, line in (("input", asked), ("output", given)):
        text = "".join(line % number for number in range(LINES))
        (folder / f"batch_{role}_2.jsonl").write_text(text, "utf-8")
    return folder


@pytest.fixture
def busy(workspace: Path, large: Path) -> Path:
    """A workspace with a batch that settles at once and one that takes a while."""
    put_settled(workspace, "1")
    for path in large.iterdir():
        os.link(path, workspace / "workdir" / path.name)
    return workspace


@attrs.define
class Pass:
    """A pass in a process of its own, seen through what it logs."""

    process: subprocess.Popen[str]
    heard: str = ""

    def hear(self, words: str) -> None:
        """Wait for a line on stderr that begins like this."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.heard += line
            if line.startswith(words):
                return
        message = f"stderr ended without {words}: {self.heard}"
        raise AssertionError(message)

    def send(self, numbers: Sequence[signal.Signals]) -> None:
        """Signals, all of them at once: the process is stopped until the last one is there."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        for number in numbers:
            self.process.send_signal(number)
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> Said:
        """What it ended with and said in all."""
        out, err = self.process.communicate(timeout=WAIT)
        return Said(self.process.returncode, out, self.heard + err)


def begin(*words: str | Path) -> Pass:
    """A pass that says each step."""
    return Pass(
        subprocess.Popen(
            [*COMMAND, *map(str, words), "-vv"],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )


def interrupted(root: Path, numbers: Sequence[signal.Signals], *flags: str) -> Said:
    """A pass that gets *numbers* while it reads the second batch."""
    running = begin(root, *flags)
    running.hear("2  planned: ")
    running.send(numbers)
    return running.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_the_pass_and_the_next_one_goes_on(
    number: signal.Signals, busy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first batch is settled, the second untouched; the code is 130; a later pass settles it too."""
    before = {path: data for path, data in files(busy).items() if "_2." in path}
    said = interrupted(busy, [number])

    assert said.code == 130
    assert "stopping after the current step; once more to stop now" in said.err
    assert "everything is resumable" in said.out
    assert "Traceback" not in said.err
    assert (busy / "done" / "1" / "manifest.json").is_file()
    assert {path: data for path, data in files(busy).items() if "_2." in path} == before
    assert not (busy / "target" / "2.results.jsonl").exists()

    again = call(capsys, busy, "--json")
    assert (again.code, [each["state"] for each in again.document["batches"]]) == (0, ["settled"])
    assert call(capsys, "check", busy).code == 0


def test_an_interrupted_pass_is_a_document_too(busy: Path) -> None:
    """`--json` prints the report of what was done: a settled batch and an interrupted one."""
    said = interrupted(busy, [signal.SIGINT], "--json")

    assert (said.code, said.document["exit_code"]) == (130, 130)
    assert {each["name"]: each["state"] for each in said.document["batches"]} == {
        "1": "settled",
        "2": "interrupted",
    }


def test_a_second_signal_ends_at_once(busy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two signals together: no report, 130, no traceback, nothing lost."""
    said = interrupted(busy, [signal.SIGINT, signal.SIGTERM])

    assert (said.code, said.out) == (130, "")
    assert "interrupted; everything is resumable" in said.err
    assert "Traceback" not in said.err
    assert call(capsys, "check", busy).code == 0


def test_a_killed_pass_leaves_no_lock_behind(busy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After SIGKILL the next pass does not find the workspace taken."""
    running = begin(busy)
    running.hear("2  planned: ")
    running.process.kill()

    assert running.end().code == -signal.SIGKILL
    put_settled(busy, "3")
    assert call(capsys, busy, "--only", "3").code == 0


def test_while_one_works_the_second_is_refused(busy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two at once: the second ends with 4 and says so; the first is not disturbed."""
    running = begin(busy)
    running.hear("2  planned: ")
    running.process.send_signal(signal.SIGSTOP)
    second = call(capsys, busy)
    running.process.send_signal(signal.SIGCONT)

    assert second.code == 4
    assert "another reconciler" in second.err
    assert running.end().code == 0


HANGING: Final = """
import sys, threading

def work(request):
    if request.custom_id == "q-1":
        print("hangs", file=sys.stderr, flush=True)
        threading.Event().wait()
    message = {"role": "assistant", "content": "fine"}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
"""


@pytest.fixture
def hanging(workspace: Path) -> Path:
    """A workspace with a plain function that never answers one of three requests."""
    put(workspace, "1", input=[request(n) for n in range(3)])
    os.utime(workspace / "workdir/batch_input_1.jsonl", (1, 1))
    (workspace / "hanging.py").write_text(HANGING, "utf-8")
    return workspace


def test_a_function_that_hangs_is_left_at_the_second_signal(hanging: Path) -> None:
    """The first Ctrl-C waits for it, the second one ends the pass, the process, and so the function."""
    running = begin(hanging, "--provider", "local", "--worker", f"{hanging}/hanging.py:work")
    running.hear("hangs")
    running.process.send_signal(signal.SIGINT)
    running.hear("stopping after the current step")
    running.process.send_signal(signal.SIGINT)
    said = running.end()
    assert (said.code, "Traceback" in said.err) == (130, False), said.err


def test_a_function_that_hangs_outlasts_no_time_limit(hanging: Path) -> None:
    """Given up after `[local] request_seconds`, it keeps neither the pass nor the process from its end."""
    said = spawn(
        *(hanging, "--provider", "local", "--worker", f"{hanging}/hanging.py:work"),
        RECONCILER_LOCAL_REQUEST_SECONDS="0.1",
        RECONCILER_POLICY_MAX_ATTEMPTS="1",
    )
    assert (said.code, "1 failed" in said.out) == (0, True)
    assert [line["outcome"] for line in results(hanging, "1")] == ["answered", "failed", "answered"]


@pytest.mark.parametrize("verb", ["plan", "check"])
def test_ctrl_c_while_reading_is_said_without_a_traceback(verb: str, workspace: Path, large: Path) -> None:
    """A verb that only reads ends with 130 and one line."""
    for path in large.iterdir():
        (workspace / "workdir" / path.name).write_bytes(40 * path.read_bytes())
    # Where Ctrl-C is ignored, as in a job in the background, the verb would rightly ignore it too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [*COMMAND, verb, str(workspace)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        signal.signal(signal.SIGINT, before)
        stop_at_open(process, "batch_input_2.jsonl")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=WAIT)

    assert (process.returncode, out) == (130, "")
    assert "interrupted" in err
    assert "Traceback" not in err


def stop_at_open(process: subprocess.Popen[str], leaf: str) -> None:
    """Stop *process* while it has a file of this name open, however fast it reads and however busy we are."""
    if not Path(f"/proc/{process.pid}/fd").exists():
        pytest.skip("there is no /proc to look into")
    while process.poll() is None:
        if has_open(process, leaf):
            process.send_signal(signal.SIGSTOP)
            while state_of(process) not in "TZX":
                pass
            if has_open(process, leaf):
                return
            process.send_signal(signal.SIGCONT)
    pytest.fail(f"the process ended before it was seen to have {leaf} open")


def has_open(process: subprocess.Popen[str], leaf: str) -> bool:
    """Whether *process* has a file of this name open."""
    try:
        return any(entry.readlink().name == leaf for entry in Path(f"/proc/{process.pid}/fd").iterdir())
    except OSError:  # closed in between, or ended
        return False


def state_of(process: subprocess.Popen[str]) -> str:
    """The state of *process* as the kernel writes it: T is stopped."""
    try:
        return Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def test_signals_are_given_back() -> None:
    """After a pass the handlers of the caller are in place again; a second signal is a KeyboardInterrupt."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    stop = Stop()
    stop.install()
    try:
        assert not stop.asked()
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        stop.restore()

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="only Linux makes a pipe smaller")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_while_the_last_words_are_printed(number: signal.Signals, workspace: Path) -> None:
    """Also when only the report is left, for a slow reader, the code is 130 and there is no traceback."""
    for name in range(40):
        put_settled(workspace, str(name))
    reads, writes = os.pipe()
    fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, 4096)
    # Whoever runs the tests in the background may have SIGINT ignored, and children inherit that.
    words = ["env", "--default-signal=INT", *COMMAND, str(workspace), "--json"]
    with os.fdopen(reads, "rb") as reader:
        running = subprocess.Popen(words, env=environment(), stdout=writes, stderr=subprocess.PIPE)
        os.close(writes)
        assert reader.read(1)
        running.send_signal(number)
        assert len(reader.read()) >= 4095
        _, told = running.communicate(timeout=WAIT)
    assert running.returncode == 130, told
    assert b"Traceback" not in told
