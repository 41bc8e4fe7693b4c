"""A pass that leaves out the code that began a batch, as the command line tells of it: hints are typed."""

import shlex
from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import Said, call
from tests.plugging import items, put_answers, values
from tests.workspaces import answered, failed, manifest, put, record, request, results

CODE: Final = """
import reconciler
from pathlib import Path

MENDED = Path(__file__).with_name("mended")
LOG = Path(__file__).with_name("calls")

def note(result):
    with LOG.open("a") as log:
        log.write(f"{result.custom_id} {result.redelivery}\\n")

def tired(result):
    note(result)
    if result.custom_id == "q-1" and not MENDED.exists():
        raise reconciler.TransientError("the database is away")
    return result.text.upper()

def picky(result):
    if result.custom_id == "q-1" and not MENDED.exists():
        raise ValueError("no use")
    return result.text.upper()

def decide(result):
    if not MENDED.exists():
        raise KeyError("boom")
    return "give-up"

def halve(request):
    if not MENDED.exists():
        raise KeyError("boom")
    return None
"""
LONG: Final = "RECONCILER_POLICY_CLASSES_OVER_LENGTH"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A file with code that fails until it is mended, in a folder whose name has to be quoted."""
    folder = tmp_path / "my code"
    folder.mkdir()
    (folder / "mine.py").write_text(CODE, "utf-8")
    return folder / "mine.py"


def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: Said, way: int) -> Said:
    """Type one way that was printed, as it stands."""
    ways = [line.strip().removeprefix("-> ") for line in (said.out + said.err).splitlines() if "-> " in line]
    words = shlex.split(ways[way].partition("    ")[0])
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        monkeypatch.setenv(name, value)
    assert words.pop(0) == "reconcile"
    return call(capsys, *words)


def put_long(workspace: Path) -> None:
    """A batch with an answer, and a request that was too long."""
    put(workspace, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 413)])


def test_what_a_processor_was_stopped_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """No plain pass settles it, with `--content` or without; the printed command hands it over once more."""
    put_answers(workspace, 3)
    assert call(capsys, workspace, "--output-processor", f"{code}:tired").code == 1
    for flags in ((), ("--content", "json")):
        said = call(capsys, workspace, *flags)
        assert (said.code, (workspace / "target" / "1.results.jsonl").exists()) == (3, False)
        assert f"{code}:tired/" in said.out
        assert "no output processor is named here" in said.out
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, said, 0).code == 0
    assert values(workspace) == ["ANSWER 0", "ANSWER 1", "ANSWER 2"]
    assert "q-0 True" in code.with_name("calls").read_text("utf-8")


def test_it_can_be_settled_without_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """The second command that is printed says so in so many words."""
    put_answers(workspace, 3)
    assert call(capsys, workspace, "--output-processor", f"{code}:tired").code == 1
    assert typed(monkeypatch, capsys, call(capsys, workspace), 1).code == 0
    assert [line["value"] for line in results(workspace, "1")] == [None, None, None]


def test_process_without_the_flags_takes_nothing_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """What was published and what could not be handled stay as they are, and `process` as printed goes on."""
    put_answers(workspace, 3)
    first = call(capsys, workspace, "--output-processor", f"{code}:picky")
    before = values(workspace), items(workspace)
    assert (first.code, before[0]) == (3, ["ANSWER 0", None, "ANSWER 2"])
    said = call(capsys, "process", workspace, "1")
    assert (said.code, values(workspace), items(workspace)) == (3, *before)
    assert "no output processor is named here" in said.out + said.err
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, first, 1).code == 0
    assert values(workspace) == ["ANSWER 0", "ANSWER 1", "ANSWER 2"]


def test_what_could_not_be_read_goes_to_no_text(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    """`process` without `--content` publishes no text in the place of values."""
    put_answers(workspace, 1)
    assert call(capsys, workspace, "--content", "json").code == 3
    said = call(capsys, "process", workspace, "1")
    assert said.code == 3
    assert f"reconcile run {workspace} --only 1 --content json " in said.out + said.err


def test_what_an_error_processor_could_not_decide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """It is told why; a plain pass changes nothing of that, and `process` as printed asks once more."""
    put_long(workspace)
    first = call(capsys, workspace, "--error-processor", f"{code}:decide")
    told = "its error processor decided nothing about 1 failed request: KeyError: 'boom'"
    assert (first.code, told in first.out) == (3, True)
    again = call(capsys, workspace)
    assert (again.code, told in again.out) == (3, True)
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, again, 1).code == 0
    assert manifest(workspace, "1")["receipts"]["process-errors"]["named"] == f"{code}:decide"


def test_process_without_the_error_processor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """Nobody decides in its place."""
    put_long(workspace)
    assert call(capsys, workspace, "--error-processor", f"{code}:decide").code == 3
    said = call(capsys, "process", workspace, "1")
    assert (said.code, "no error processor is named here" in said.out + said.err) == (3, True)
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, call(capsys, workspace), 0).code == 0


def test_what_a_transform_could_not_change(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """A pass without the setting holds it, and the printed command has the setting in front."""
    put_long(workspace)
    monkeypatch.setenv("RECONCILER_PROVIDER_NAME", "openai")
    with monkeypatch.context() as within:
        within.setenv(LONG, f"{code}:halve")
        assert call(capsys, workspace).code == 3
    assert record(workspace, "1")["receipts"]["change-requests"]["named"] == {"over-length": f"{code}:halve"}
    said = call(capsys, workspace)
    assert (said.code, "[policy.classes] over-length names no code here" in said.out) == (3, True)
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, said, 0).code == 3  # the same code and version: it is not asked again
    monkeypatch.setenv(LONG, f"{code}:halve")
    assert call(capsys, "process", workspace, "1").code == 0
