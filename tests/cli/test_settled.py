"""The verbs for settled batches, as people and scripts meet them: `retain`, `replay` and `explain`."""

from pathlib import Path

import pytest

from reconciler import Workspace
from tests.cli.calling import call
from tests.workspaces import answered, failed, files, put, request, results, run, stats


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A settled batch of three answers, and one with a failure that may be asked again."""
    root = tmp_path / "w"
    put(root, "1", input=[request(n) for n in range(3)], output=[answered(n) for n in range(3)])
    put(root, "2", input=[request(n) for n in range(2)], output=[answered(0)], error=[failed(1, 429)])
    run(root)
    return root


def test_retain_says_what_went_and_why_the_rest_is_kept(
    capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    """By default nothing goes; asked for, what may go does, and a line tells of each batch."""
    said = call(capsys, "retain", root)
    assert said.code == 0
    assert '1  kept      [retain] jsonl = "keep"' in said.out
    before = stats(root)
    said = call(capsys, "retain", root, "--jsonl", "remove", "--dry-run")
    assert "1  would go" in said.out
    assert stats(root) == before
    said = call(capsys, "retain", root, "--jsonl", "remove")
    assert "1  removed   its JSONL was removed (2 files" in said.out
    assert "2  kept      1 failed request may succeed when asked again" in said.out
    assert said.out.splitlines()[-1].startswith("2 settled batches; JSONL of 1 removed (")
    assert not (root / "done/1/batch_input_1.jsonl").exists()
    found = call(capsys, "retain", root, "1", "--json").document
    assert (found["exit_code"], found["changed"]) == (0, False)
    assert [(each["name"], each["jsonl"]) for each in found["batches"]] == [("1", "gone")]
    assert "its JSONL was removed" in call(capsys, "status", root, "--all").out


def test_plan_shows_what_will_be_removed(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    """What was noted and may go now stands in the plan, and counts as a change that is pending."""
    with (root / "reconciler.toml").open("w") as settings:
        settings.write('[retain]\njsonl = "remove"\nafter_days = 1\n')
    put(root, "3", input=[request(7)], output=[answered(7)])
    assert call(capsys, root).code == 0
    assert call(capsys, "plan", root, "--detailed-exitcode").code == 0
    with (root / "reconciler.toml").open("w") as settings:
        settings.write('[retain]\njsonl = "remove"\n')
    said = call(capsys, "plan", root, "--detailed-exitcode")
    assert said.code == 5
    assert "1. remove-jsonl" in said.out
    found = call(capsys, "plan", root, "--json").document["removals"]
    assert [(each["name"], each["steps"]) for each in found] == [("3", ["remove-jsonl"])]
    assert "its JSONL was removed" in call(capsys, root).out
    assert call(capsys, "plan", root, "--detailed-exitcode").code == 0


def test_replay_shows_what_changed(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    """Counts and examples by batch, then the total; a second time nothing has changed."""
    code = root.parent / "loud.py"
    code.write_text("def loud(result):\n    return result.text.upper()\n")
    words = ("replay", root, "--output-processor", f"{code}:loud")
    before = files(root)
    assert "2 would change" in call(capsys, *words, "--dry-run").out
    assert files(root) == before
    said = call(capsys, *words)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[:2] == ["1  changed    3 changed", '   q-0  value: null -> "ANSWER 0"']
    assert said.out.splitlines()[-1] == "2 settled batches; 2 changed"
    assert [row["value"] for row in results(root, "1")] == ["ANSWER 0", "ANSWER 1", "ANSWER 2"]
    found = call(capsys, *words, "--since", "1d", "--model", "m", "--json").document
    assert found["changed"] is False
    assert found["batches"][0]["lines"] == {"changed": 0, "added": 0, "gone": 0, "unchanged": 3}


def test_explain_follows_a_request(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    """Outcome, lines, why it failed, what it cost and what history tells, for people and for machines."""
    said = call(capsys, "explain", root, "q-1")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert "q-1  answered  1 (attempt 1)" in lines
    assert "q-1  failed  2 (attempt 1)" in lines
    for told in (
        "request    done/2/batch_input_2.jsonl:2",
        "answer     done/2/batch_error_2.jsonl:1",
        "error      rate-limit: status 429",
        "published  target/2.results.jsonl:2",
    ):
        assert f"    {told}" in lines
    assert any("Z  batch.settled  " in line for line in lines)
    found = call(capsys, "explain", root, "q-1", "--json").document
    assert [each["outcome"] for each in found["lives"]] == ["answered", "failed"]
    (attempt,) = found["lives"][1]["attempts"]
    assert (attempt["request"], attempt["cost"]) == ("done/2/batch_input_2.jsonl:2", None)
    assert [each["event"] for each in attempt["events"]] == ["batch.settled"]


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "{}", "q-11"),
        ("replay", "{}", "9"),
        ("replay", "{}", "--since", "soon"),
        ("retain", "{}", "9"),
    ],
)
def test_what_cannot_be_meant_is_usage(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    """A name that is no settled batch, or a time that is none, ends with 2 and a hint."""
    said = call(capsys, *(word.format(root) for word in words))
    assert said.code == 2
    assert "->" in said.err


def test_the_library_does_the_same(root: Path) -> None:
    """`Workspace.replay` and `Workspace.retain` give what the verbs print, as values."""
    workspace = Workspace.open(root, environment=False, settings={"retain.jsonl": "remove"})
    found = workspace.replay("1", on_result=lambda result: len(result.text or ""))
    assert [each.state.value for each in found.batches] == ["changed"]
    assert [row["value"] for row in results(root, "1")] == [8, 8, 8]
    (life,) = [each for each in workspace.explain("q-1").lives if each.lineage == "1"]
    assert life.attempts[0].answer == "done/1/batch_output_1.jsonl:2"
    kept = workspace.retain()
    assert [(each.name, each.jsonl.value) for each in kept.batches] == [("1", "removed"), ("2", "kept")]
    assert workspace.check().findings == []
