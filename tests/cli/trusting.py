"""
Workspaces that name code, for tests of trust.

The code leaves a mark when it is imported; where it is refused, there must be none.
"""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import ROOT, Said, call, spawn
from tests.workspaces import answered, failed, files, put, request

CODE: Final = """
from pathlib import Path

Path({mark!r}).write_text("imported", "utf-8")

def handle(result):
    return {value!r}

def judge(result):
    return None

def shorten(request):
    return {{**request, "body": {{**request["body"], "max_tokens": 9}}}}

def work(request):
    message = {{"role": "assistant", "content": {value!r}}}
    return {{"choices": [{{"index": 0, "message": message, "finish_reason": "stop"}}]}}

THING = 7
"""


def write_code(path: Path, mark: Path, value: str = "mine") -> None:
    """A file of code that leaves *mark*, and whose functions give *value*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CODE.format(mark=str(mark), value=value), "utf-8")


def write_settings(workspace: Path, text: str) -> None:
    """The settings file of a workspace."""
    (workspace / "reconciler.toml").write_text(text, "utf-8")


def put_all(workspace: Path) -> None:
    """A batch to be processed, with a failure, and one to be answered, however young it is."""
    put(workspace, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1)])
    put(workspace, "2", input=[request(2)])
    os.utime(workspace / "workdir/batch_input_2.jsonl", (1, 1))


NAMING: Final = {
    "processor": '[output]\nprocessor = "{}:handle"\n',
    "error-processor": '[output]\nerror_processor = "{}:judge"\n',
    "worker": '[local]\nworker = "{}:work"\n',
    "transform": '[policy.classes]\ninvalid-request = "{}:shorten"\n',
    "batch-transform": '[[batch]]\nmatch = "[xy]"\nclasses.billing = "{}:shorten"\n',
    "batch-processor": '[[batch]]\nmatch = "nothing-here"\nprocessor = "{}:handle"\n',
    "batch-error-processor": '[[batch]]\nmatch = "[xy]"\nerror_processor = "{}:judge"\n',
    "batch-worker": '[[batch]]\nmatch = "*"\nworker = "{}:work"\n',
    "overruled-by-a-later-table": (
        '[[batch]]\nmatch = "1"\nprocessor = "{}:handle"\n[[batch]]\nmatch = "*"\nprocessor = "results"\n'
    ),
}
VERBS: Final = {
    "pass": (),
    "run": ("run",),
    "plan": ("plan",),
    "status": ("status",),
    "check": ("check",),
    "retry": ("retry", "1"),
    "dismiss": ("dismiss", "1"),
    "process": ("process", "1"),
}


def say(capsys: pytest.CaptureFixture[str], verb: str, workspace: Path, *flags: str) -> Said:
    """Call a verb."""
    first, *names = VERBS[verb] or ("run",)
    return call(capsys, first, workspace, *names, *flags)


def refused(said: Said, workspace: Path, before: dict[str, bytes], mark: Path) -> None:
    """Refused with 78 and the way out; nothing was imported and nothing touched."""
    assert (said.code, said.out) == (78, "")
    assert f"reconcile trust {workspace}" in said.err
    assert not mark.exists()
    assert files(workspace) == before


def trusted(
    workspace: Path, code: Path, capsys: pytest.CaptureFixture[str], where: str = "processor"
) -> Said:
    """Trust a workspace that names code."""
    write_settings(workspace, NAMING[where].format(code.name))
    said = call(capsys, "trust", workspace)
    assert said.code == 0
    return said


def spawn_with(library: Path, *words: str | Path) -> Said:
    """Run the command line where *library* is installed."""
    return spawn(*words, PYTHONPATH=f"{ROOT}:{library}")
