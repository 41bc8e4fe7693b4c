"""The demo does nothing that a user could not do: it puts files down and calls the public command line."""

import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from reconciler.cli import demo
from reconciler.cli.main import main
from reconciler.model.triple import Shape
from tests.cli.calling import COMMAND, WAIT, Said, call, environment, python
from tests.workspaces import jsonl, tree

STEP: Final = re.compile(
    r"^\$ reconcile (?P<words>.*)\n(?P<out>(?:.*\n)*?)\(exit (?P<code>\d+)\)$", re.MULTILINE
)


def steps(said: Said) -> list[tuple[list[str], str, int]]:
    """What a demo called: the words, what came out, the exit code."""
    return [
        (shlex.split(found["words"]), found["out"], int(found["code"])) for found in STEP.finditer(said.out)
    ]


def by_hand(root: Path) -> None:
    """A new workspace gets the demo's files and nothing else."""
    for name, lines in demo.files():
        path = root / "workdir" / name
        path.write_bytes(jsonl(lines))
        os.utime(path, (1, 1))


def test_every_step_of_the_demo_works_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands that a demo shows print the same and end alike on a workspace made by hand."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    shown = steps(call(capsys, "demo", "--keep", theirs))
    assert call(capsys, "init", ours).code == 0
    by_hand(ours)

    assert [words for words, _, _ in shown] == [
        ["plan", str(theirs)],
        [str(theirs)],
        ["check", str(theirs)],
        ["retry", str(theirs), "6"],
        ["dismiss", str(theirs), "7"],
        [str(theirs)],
    ]
    for words, out, code in shown:
        said = call(capsys, *(word.replace(str(theirs), str(ours)) for word in words))
        assert (said.out, said.code) == (out.replace(str(theirs), str(ours)), code)
    assert tree(ours) == tree(theirs)


def test_the_demo_shows_every_shape(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shape that a triple can have is in the workdir of the demo, and is announced as it is."""
    by_hand(workspace)
    found = {
        each["name"]: each["shape"] for each in call(capsys, "plan", workspace, "--json").document["batches"]
    }

    assert set(found.values()) == {shape.value for shape in Shape}
    assert {name: shape for name, shape, _ in demo.CASES} == found


def test_the_demo_shows_files_before_and_after(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Between `Before` and the first command stands every file put down; `After` shows where they went."""
    said = call(capsys, "demo", "--keep", tmp_path / "ws")
    before = said.out.partition("\nBefore\n")[2].partition("\n$ ")[0].split()
    after = said.out.partition("\nAfter\n")[2].partition("\nThe results")[0].split()

    assert {name for name, _ in demo.files()} <= set(before)
    assert {"done/", "target/", "quarantine/", "manifest.json", "4.results.jsonl"} <= set(after)


def test_the_results_that_the_demo_shows_are_those_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line of `target/4.results.jsonl` is shown, in order."""
    root = tmp_path / "ws"
    said = call(capsys, "demo", "--keep", root)
    rows = [
        json.loads(line) for line in (root / "target" / "4.results.jsonl").read_text("utf-8").splitlines()
    ]
    shown = said.out.partition("(target/4.results.jsonl)\n")[2].splitlines()[: len(rows)]

    assert [line.split()[:2] for line in shown] == [[row["custom_id"], row["outcome"]] for row in rows]


def test_the_demo_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without `--keep` the temporary folder is empty afterwards, and so is the current one."""
    temporary, here = tmp_path / "temporary", tmp_path / "here"
    temporary.mkdir()
    here.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(here)
    said = call(capsys, "demo")

    assert said.code == 0
    assert f"$ reconcile init {temporary}/" in said.out
    assert [list(folder.iterdir()) for folder in (temporary, here)] == [[], []]


def test_keep_keeps_a_workspace_that_goes_on_working(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `--keep` leaves is a workspace: its status is that of the last step."""
    root = tmp_path / "kept"
    shown = steps(call(capsys, "demo", "--keep", root))

    assert call(capsys, root).out == shown[-1][1]


def test_keep_touches_no_workspace_that_is_there(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--keep` on a workspace refuses with 2 and adds nothing to it."""
    said = call(capsys, "demo", "--keep", workspace)

    assert (said.code, tree(workspace)) == (2, {})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RECONCILER_POLICY_FAILED", "attention"),
        ("RECONCILER_POLICY_SUBMIT", "nonsense"),
        ("RECONCILER_USER_CONFIG", "{home}/mine.toml"),
        ("XDG_CONFIG_HOME", "{home}"),
        ("HOME", "{home}"),
    ],
)
def test_the_demo_does_not_depend_on_settings(
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever a person has configured, well or badly, the demo shows the same; the settings stay theirs."""
    plain = call(capsys, "demo", "--keep", tmp_path / "plain")
    if variable == "HOME":
        monkeypatch.delenv("XDG_CONFIG_HOME")
    for folder in ("reconciler", ".config/reconciler", "Library/Application Support/reconciler"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.toml").write_text("[nope]\n", "utf-8")
    (tmp_path / "mine.toml").write_text("[nope]\n", "utf-8")
    monkeypatch.setenv(variable, value.format(home=tmp_path))
    before = dict(os.environ)
    other = call(capsys, "demo", "--keep", tmp_path / "other")

    assert (other.code, other.out.replace("/other", "/plain")) == (0, plain.out)
    assert dict(os.environ) == before
    if variable != "RECONCILER_POLICY_FAILED":
        assert call(capsys, "status", tmp_path / "other").code == 78


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_demo_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM alike: the temporary workspace is gone, and there is no traceback."""
    with subprocess.Popen(
        [*COMMAND, "demo"],
        env=environment(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        seen = process.stdout.readline() + process.stdout.readline()
        process.send_signal(number)
        _, err = process.communicate(timeout=WAIT)

    assert f"init {tmp_path}/" in seen
    assert "interrupted" in err or "stopping" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_command_ends_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    """A Ctrl-C that one of its commands hears ends the demo with 130: no later command is called."""
    called = []

    def until_the_plan(words: Sequence[str]) -> int:
        called.append(words[0])
        return 130 if words[0] == "plan" else main(words)

    code = demo.demo(None, until_the_plan)
    capsys.readouterr()

    assert (code, called) == (130, ["init", "plan"])


def test_the_demo_works_in_a_thread() -> None:
    """A program that shows the demo from another thread sees it as anyone else does."""
    said = python(
        "import sys, threading\n"
        "from reconciler.cli.main import main\n"
        "codes = []\n"
        "thread = threading.Thread(target=lambda: codes.append(main(['demo'])))\n"
        "thread.start()\n"
        "thread.join()\n"
        "sys.exit(codes[0])"
    )

    assert (said.code, "What next" in said.out) == (0, True)
