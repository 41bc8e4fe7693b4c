"""What `examples/` shows works as far as a machine without systemd, cron and docker can tell."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.main import cli

EXAMPLES = Path(__file__).parents[1] / "examples"
WORDS = re.compile(r"reconcile((?: +(?:-\w\b|--[a-z-]+|watch\b|status\b|[a-z]+\b(?= |$)|/\S+))+)")


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_an_example_names_only_what_is_there(path: Path) -> None:
    """Each flag of each command that an example shows is one that its verb takes."""
    for found in WORDS.finditer(path.read_text("utf-8")):
        verb, *words = found[1].split()
        command = cli.commands.get(verb, cli.commands["run"])
        known = {flag for each in command.params for flag in each.opts}
        shown = {word for word in (verb, *words) if word.startswith("-")}
        assert shown <= known, found[0]


def test_the_unit_is_one(tmp_path: Path) -> None:
    """No fault is found with it by systemd, its program being there."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd here")
    text = (EXAMPLES / "reconcile-watch.service").read_text("utf-8")
    unit = tmp_path / "reconcile-watch.service"
    unit.write_text(text.replace("/opt/reconciler/bin/reconcile", sys.executable))
    said = subprocess.run(
        [analyze, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )

    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize(
    ("code", "mails"), [(0, False), (1, False), (4, False), (75, False), (3, True), (78, True)]
)
def test_cron_is_quiet_while_nothing_is_wrong(code: int, tmp_path: Path, *, mails: bool) -> None:
    """What waits, and what a later pass may mend, sends no mail; what needs a person sends the report."""
    line = (EXAMPLES / "crontab").read_text("utf-8").splitlines()[-1]
    (tmp_path / "reconcile").write_text(
        f'#!/bin/sh\ntest "$1" = status && echo report && exit 0\nexit {code}\n'
    )
    (tmp_path / "reconcile").chmod(0o755)
    command = line.split(None, 5)[5]
    said = subprocess.run(
        ["/bin/sh", "-c", command],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert said.stdout == ("report\n" if mails else "")
