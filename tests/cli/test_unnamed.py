"""A pass that leaves out the code that began a batch, as the command line tells of it: hints are typed."""

import shlex
from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import Said, call
from tests.plugging import put_answers, values
from tests.workspaces import answered, failed, files, manifest, put, record, request, results

CODE: Final = """
import reconciler
from pathlib import Path

MENDED = Path(__file__).with_name("mended")
LOG = Path(__file__).with_name("calls")

def note(result):
    with LOG.open("a") as log:
        log.write(f"{result.custom_id} {result.redelivery} {result.token}\\n")

def tired(result):
    note(result)
    if result.custom_id == "q-1" and not MENDED.exists():
        raise reconciler.TransientError("the database is away")
    return result.text.upper()

def picky(result):
    if result.custom_id == "q-1" and not MENDED.exists():
        raise ValueError("no use")
    return result.text.upper()

def fussy(result):
    if not MENDED.exists():
        raise ValueError("no use")
    return result.text.upper()

def surrender(result):
    return "give-up"

def weary(request):
    if not MENDED.exists():
        raise reconciler.TransientError("the database is away")

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
        assert "mine.py:tired/" in said.out
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
    """It is refused, and what was published, what could not be handled, and the ways out stay as they are."""
    put_answers(workspace, 3)
    first = call(capsys, workspace, "--output-processor", f"{code}:picky")
    before = files(workspace)
    assert (first.code, values(workspace)) == (3, ["ANSWER 0", None, "ANSWER 2"])
    said = call(capsys, "process", workspace, "1")
    assert (said.code, files(workspace)) == (3, before)
    assert "1 was handed to mine.py:picky/" in said.err
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, said, 0).code == 0
    assert values(workspace) == ["ANSWER 0", "ANSWER 1", "ANSWER 2"]


def test_what_was_printed_first_can_be_typed_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """The hint of the pass that could not handle answers names the processor, and that of a plain one too."""
    for name, flags in (("1", ("--output-processor", f"{code}:picky")), ("2", ())):
        put_answers(workspace, 3, name)
        assert call(capsys, workspace, "--output-processor", f"{code}:picky", "--only", name).code == 3
        said = call(capsys, workspace, *flags, "--only", name)
        code.with_name("mended").touch()
        assert typed(monkeypatch, capsys, said, 1).code == 0
        assert values(workspace, name) == ["ANSWER 0", "ANSWER 1", "ANSWER 2"]
        code.with_name("mended").unlink()


def test_what_could_not_be_read_goes_to_no_text(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    """`process` without `--content` publishes no text in the place of values."""
    put_answers(workspace, 1)
    assert call(capsys, workspace, "--content", "json").code == 3
    said = call(capsys, "process", workspace, "1")
    assert said.code == 3
    assert f"reconcile process {workspace} 1 --content json    to hand it over once more" in said.err
    assert call(capsys, "dismiss", workspace, "1").code == 0


def test_code_that_is_typed_in_another_way_is_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """By a relative path from here, a whole one from there: one token, and a redelivery."""
    put_answers(workspace, 2)
    monkeypatch.chdir(code.parent)
    assert call(capsys, workspace, "--output-processor", "mine.py:tired").code == 1
    monkeypatch.chdir(code.parent.parent)
    said = call(capsys, workspace)
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, said, 0).code == 0
    calls = code.with_name("calls").read_text("utf-8").splitlines()
    assert [line.split()[1] for line in calls] == ["False", "False", "True", "True"]
    assert len({line.split()[2] for line in calls if line.startswith("q-0")}) == 1


def test_all_that_was_at_work_on_it_is_in_the_hint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """An output and an error processor: one typed line has both go on, and nothing goes in a circle."""
    put_long(workspace)
    flags = ("--output-processor", f"{code}:fussy", "--error-processor", f"{code}:decide")
    first = call(capsys, workspace, *flags)
    assert first.code == 3
    assert call(capsys, "process", workspace, "1", *flags[2:]).code == 3
    said = call(capsys, workspace)
    code.with_name("mended").touch()
    for _ in range(2):
        if said.code:
            said = typed(monkeypatch, capsys, said, 1 if "-> mend" in said.out else 0)
    assert said.code == 0
    assert values(workspace) == ["ANSWER 0", None]


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
    receipt = manifest(workspace, "1")["receipts"]["process-errors"]
    assert (receipt["named"], receipt["classes_asked"]) == (f"{code}:decide", [])


def test_process_without_the_error_processor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """The output processor has the answers once more; nobody decides in the place of the other."""
    put_long(workspace)
    assert call(capsys, workspace, "--error-processor", f"{code}:decide").code == 3
    said = call(capsys, "process", workspace, "1")
    assert (said.code, "its error processor decided nothing about 1 failed request" in said.out) == (3, True)
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, said, 1).code == 0


def test_what_a_transform_could_not_change(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """A pass without the setting keeps it, and the printed command has the setting in front."""
    put_long(workspace)
    with monkeypatch.context() as within:
        within.setenv(LONG, f"{code}:halve")
        assert call(capsys, workspace, "--provider", "openai").code == 3
    noted = record(workspace, "1")["receipts"]["change-requests"]
    assert (noted["named"], noted["provider"]) == ({"over-length": f"{code}:halve"}, "openai")
    said = call(capsys, workspace, "--provider", "openai")
    assert (said.code, "1 failed request could not be changed" in said.out) == (3, True)
    assert f"{LONG}='{code}:halve' reconcile process {workspace} 1 --provider openai    to" in said.out
    held = call(capsys, workspace)
    assert (held.code, "nobody is asked again here" in held.out) == (3, True)
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, said, 1).code == 0


def test_what_a_transform_was_stopped_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """The command names who was to be asked, too: without that nothing would be changed."""
    put_long(workspace)
    with monkeypatch.context() as within:
        within.setenv(LONG, f"{code}:weary")
        assert call(capsys, workspace, "--provider", "openai").code == 1
    for flags in ((), ("--provider", "openai")):
        assert call(capsys, workspace, *flags).code == 3
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, call(capsys, workspace), 0).code == 0
    assert manifest(workspace, "1")["receipts"]["change-requests"]["kept"][0]["why"] == "it returned None"


def test_dismissed_is_dismissed(capsys: pytest.CaptureFixture[str], workspace: Path, code: Path) -> None:
    """A person who has given up what could not be handled needs no flag of the code that was at work."""
    put(workspace, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    flags = ("--output-processor", f"{code}:fussy", "--error-processor", f"{code}:surrender")
    assert call(capsys, workspace, "--provider", "openai", *flags).code == 3
    assert call(capsys, "dismiss", workspace, "1").code == 0
    assert manifest(workspace, "1")["coverage"]["failed"]["requests"] == 1


def test_process_leaves_alone_what_it_cannot_call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """Where nobody is asked again no transform is called, so what it has ended stays, and can be given up."""
    put_long(workspace)
    monkeypatch.setenv(LONG, f"{code}:halve")
    assert call(capsys, workspace, "--provider", "openai").code == 3
    before = record(workspace, "1")["receipts"]["change-requests"]
    assert call(capsys, "process", workspace, "1").code == 3
    assert record(workspace, "1")["receipts"]["change-requests"] == before
    held = call(capsys, workspace)
    command = f"{LONG}='{code}:halve' reconcile run {workspace} --only 1 --provider openai"
    assert f"{command}    goes on with it" in held.out
    assert call(capsys, "dismiss", workspace, "1").code == 0


def test_what_was_given_up_stays_given_up(
    capsys: pytest.CaptureFixture[str], workspace: Path, code: Path
) -> None:
    """`process` of another piece of code takes back no word about answers that are not handed over."""
    put_long(workspace)
    assert call(capsys, workspace, "--output-processor", f"{code}:fussy").code == 3
    asks = ("--error-processor", f"{code}:decide")
    assert call(capsys, "dismiss", workspace, "1", *asks).code == 3
    assert list(record(workspace, "1")["dismissed"]) == ["unhandled"]
    code.with_name("mended").touch()
    assert call(capsys, "process", workspace, "1", *asks).code == 0


def test_a_transform_that_failed_in_a_persons_retry(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """No pass was there before, nobody is asked by itself: what is printed goes on all the same."""
    put_long(workspace)
    monkeypatch.setenv(LONG, f"{code}:weary")
    assert call(capsys, "retry", workspace, "1").code == 1
    held = call(capsys, workspace)
    assert (held.code, "nobody is asked again here" in held.out) == (3, True)
    code.with_name("mended").touch()
    assert typed(monkeypatch, capsys, held, 0).code == 3  # the transform gave it up: nothing is asked again
    assert record(workspace, "1")["receipts"]["change-requests"]["kept"][0]["why"] == "it returned None"
    assert call(capsys, workspace).code == 0


def test_the_limit_of_cost_is_typed_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """A command that is printed spends no more than the one that was typed."""
    put_answers(workspace, 1)
    assert call(capsys, workspace, "--output-processor", f"{code}:fussy").code == 3
    said = call(capsys, workspace, "--max-cost-usd", "0.5")
    assert f"1 --max-cost-usd 0.5 --output-processor '{code}:fussy'    to hand" in said.out
    assert typed(monkeypatch, capsys, said, 1).code == 3


def test_code_that_was_moved_is_named_by_its_new_place(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workspace: Path, code: Path
) -> None:
    """It is the same work, and the hint has where it lay the last time; a replay takes it as well."""
    put_answers(workspace, 2)
    assert call(capsys, workspace, "--output-processor", f"{code}:tired").code == 1
    there = code.parent.parent / "elsewhere"
    code.parent.rename(there)
    assert call(capsys, workspace, "--output-processor", f"{there}/mine.py:tired").code == 1
    (there / "mended").touch()
    assert typed(monkeypatch, capsys, call(capsys, workspace), 0).code == 0
    calls = (there / "calls").read_text("utf-8").splitlines()
    assert [line.split()[1] for line in calls if line.startswith("q-0")] == ["False", "True", "True"]
    before = files(workspace)
    there.rename(code.parent)
    assert call(capsys, "replay", workspace, "--output-processor", f"{code}:tired").code == 0
    assert {*files(workspace)} == {*before}
