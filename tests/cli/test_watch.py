"""`reconcile watch` as a process of its own: signals, events on stderr, and `reconcile` by hand beside it."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler.testing import FakeProvider
from reconciler.testing.faults import Silent
from tests.cli.calling import COMMAND, WAIT, call, environment, put_held, put_settled
from tests.workspaces import answered, put, request, results


@attrs.define
class Watching:
    """A watcher, heard through its events."""

    process: subprocess.Popen[str]
    events: list[dict[str, Any]] = attrs.field(factory=list)

    def hear(self, event: str, **facts: Any) -> dict[str, Any]:
        """Wait for an event of that name, with these facts."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            found: dict[str, Any] = json.loads(line)
            self.events.append(found)
            if found["event"] == event and facts.items() <= found.items():
                return found
        message = f"it ended without {event}: {self.events}"
        raise AssertionError(message)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; what it ends with."""
        self.process.send_signal(number)
        self.hear("watch.stopped")
        return self.process.wait(WAIT)


@contextmanager
def watching(*words: str | Path, cwd: Path | None = None, **changes: str | None) -> Iterator[Watching]:
    """A watcher that looks as soon as something was seen."""
    with subprocess.Popen(
        [*COMMAND, "watch", *map(str, words), "--log-format", "json", "-v"],
        env=environment(RECONCILER_WATCH_QUIET_SECONDS="0", **changes),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            found = Watching(process)
            found.hear("pass.ended")
            yield found
        finally:
            process.kill()


def test_a_triple_that_is_moved_there_is_settled(workspace: Path, tmp_path: Path) -> None:
    """Files that are moved there are seen, their batch is settled and told of; SIGTERM ends it with 0."""
    (tmp_path / "made" / "workdir").mkdir(parents=True)
    put_settled(tmp_path / "made")
    with watching(workspace) as watcher:
        for path in (tmp_path / "made" / "workdir").iterdir():
            path.rename(workspace / "workdir" / path.name)
        told = watcher.hear("batch.settled")
        code = watcher.end()
        out = watcher.process.stdout.read() if watcher.process.stdout else None

    assert (told["batch"], told["level"], told["workspace"]) == ("1", "info", str(workspace))
    assert (code, out) == (0, "")
    assert len(results(workspace, "1")) == 3


def test_user_code_that_goes_to_another_folder(workspace: Path, tmp_path: Path) -> None:
    """A workspace that was named by a relative path is the same one all the time, its log too."""
    (tmp_path / "other").mkdir()
    code = tmp_path / "going.py"
    code.write_text(f"import os\n\ndef go(_result):\n    os.chdir({str(tmp_path / 'other')!r})\n")
    flags = ("--output-processor", f"{code}:go", "--log-level", "info")
    with watching(workspace.name, *flags, cwd=workspace.parent) as watcher:
        for name, first in (("1", 0), ("2", 5)):
            ids = range(first, first + 2)
            put(workspace, name, input=[request(n) for n in ids], output=[answered(n) for n in ids])
            watcher.hear("batch.settled", batch=name)
        assert watcher.end() == 0

    assert [each.name for each in (tmp_path / "other").iterdir()] == []
    (log,) = (workspace / "logs").iterdir()
    assert '"2"' in log.read_text("utf-8")


def test_two_workspaces_in_one_process(tmp_path: Path) -> None:
    """Each is reconciled, one over a symbolic link; systemd hears of it; Ctrl-C ends it with 0."""
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.settimeout(WAIT)
    for name in ("a", "b"):
        (tmp_path / name / "workdir").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "b")
    notify: dict[str, Any] = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000000"}
    with watching(tmp_path / "a", tmp_path / "link", **notify) as watcher:
        for name in ("a", "link"):
            put_settled(tmp_path / name)
            watcher.hear("batch.settled", workspace=str(tmp_path / name))
        assert watcher.end(signal.SIGINT) == 0

    told = [heard.recv(4096).decode().partition("\n")[0] for _ in range(3)]
    heard.close()
    assert told == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_by_hand_beside_a_watcher(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`reconcile` beside a watcher works, or says that another is at work; `check` finds nothing wrong."""
    with watching(workspace) as watcher:
        codes = set()
        for n in range(5):
            put(workspace, str(n), input=[request(n)])
            codes.add(call(capsys, workspace, "--provider", "none").code)
        watcher.hear("pass.ended")
        assert codes <= {3, 4}
        assert call(capsys, "check", workspace).code == 0
        assert watcher.end() == 0


def test_settings_are_read_anew_at_sighup(workspace: Path) -> None:
    """After SIGHUP new settings hold; with a mistake in them the old ones stay, and it is told where."""
    put_held(workspace)
    settings = workspace / "reconciler.toml"
    with watching(workspace) as watcher:
        settings.write_text("[provider]\nname = 'locl'\n")
        watcher.process.send_signal(signal.SIGHUP)
        failed = watcher.hear("watch.reload-failed")
        settings.write_text("[provider]\nname = 'local'\n[policy]\nsettle_seconds = 0\n")
        watcher.process.send_signal(signal.SIGHUP)
        watcher.hear("batch.settled", batch="1")
        assert watcher.end() == 0

    assert str(settings) in failed["because"]
    assert [each["event"] for each in watcher.events].count("watch.reloaded") == 1


@pytest.mark.slow
def test_a_call_that_nobody_answers_holds_no_watcher(workspace: Path, fake_provider: FakeProvider) -> None:
    """In the middle of a create that hangs, SIGTERM ends it within five seconds, and it says so."""
    fake_provider.fault("create", Silent(effect=True))
    put(workspace, "1", input=[request(0)])
    os.utime(workspace / "workdir" / "batch_input_1.jsonl", (0, 0))
    reach = {"OPENAI_API_KEY": fake_provider.key, "OPENAI_BASE_URL": fake_provider.url("openai")}
    with subprocess.Popen(
        [*COMMAND, "watch", str(workspace), "--provider", "openai", "--log-format", "json", "-v"],
        env=environment(**reach),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        watcher = Watching(process)
        watcher.hear("provider.called", kind="upload")
        while not fake_provider.batches:
            pass
        process.send_signal(signal.SIGTERM)
        stopped = watcher.hear("watch.stopped")
        assert process.wait(5) == 0

    assert stopped["unfinished"] == [str(workspace)]
    assert len(fake_provider.batches) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["w", "./w"], (2, "named twice"), id="twice"),
        pytest.param(["w", "nowhere"], (2, "no such folder"), id="one-is-not-there"),
        pytest.param(["w", "bad"], (78, "provider.name"), id="settings"),
        pytest.param([], (2, "WORKSPACE"), id="none"),
    ],
)
def test_what_cannot_be_watched_is_told_at_once(
    words: list[str],
    expected: tuple[int, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong word, a folder that is not there, settings that cannot be obeyed: nothing is begun."""
    monkeypatch.chdir(tmp_path)
    for name in ("w", "bad"):
        (tmp_path / name / "workdir").mkdir(parents=True)
    (tmp_path / "bad" / "reconciler.toml").write_text("[provider]\nname = 'locl'\n")
    found = call(capsys, "watch", *words)

    assert (found.code, expected[1] in found.err) == (expected[0], True)
    assert not (tmp_path / "w" / ".reconciler").exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("run = '/bin/true'", "programs (watch.run = '/bin/true')", id="a-program"),
        pytest.param(
            "post = 'https://example.org/x'",
            "where events go (watch.post = 'https://example.org/x')",
            id="a-url",
        ),
    ],
)
def test_hooks_that_a_workspace_names_need_trust(
    line: str, told: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is done while its settings name a hook that nobody has trusted; then it is."""
    (workspace / "reconciler.toml").write_text(f"[watch]\n{line}\n")
    refused = call(capsys, "watch", workspace)
    assert (refused.code, told in refused.err) == (78, True)
    assert not (workspace / ".reconciler").exists()

    assert call(capsys, "trust", workspace).code == 0
    assert call(capsys, workspace).code == 0


def test_a_script_of_the_workspace_is_trusted_as_it_is(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that names a file of the workspace: trust ends when that file changes."""
    script = workspace / "notify.py"
    script.write_text("print('hello')\n")
    (workspace / "reconciler.toml").write_text(f"[watch]\nrun = 'python3 {script}'\n")
    assert str(script) in call(capsys, "trust", workspace).out
    assert call(capsys, workspace).code == 0

    script.write_text("print('something else')\n")
    changed = call(capsys, workspace)
    assert (changed.code, f"{script} has changed" in changed.err) == (78, True)
