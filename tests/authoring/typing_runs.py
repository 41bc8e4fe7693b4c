"""
Runs as a type checker sees them. Never run: mypy reads it with the rest of tests/.

`assert_type` states what a caller gets; each `type: ignore` states a mistake that has to be refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

from reconciler import Answer, Answers, Batch, Count, Report, Run, RunStatus
from reconciler.deciding import Decision


def use(workspace: Path) -> None:
    """What a script does with a run."""
    run = Batch(workspace, "gpt-4o-mini").add("one").run(timeout=60, provider="openai")
    assert_type(run, Run)
    assert_type(Run.open(workspace, "cities-*", settings={}), Run)
    assert_type(run.status(), RunStatus)
    assert_type(run.status().requests, Count)
    assert_type(run.status().eta, float | None)
    assert_type(run.is_complete, bool)
    assert_type(run.results(), Answers)
    assert_type(run.results().completed, list[Answer])
    assert_type(run.results()[0], Answer)
    assert_type(run.results()[1:], list[Answer])
    assert_type([answer.total_tokens for answer in run.results()], list[int | None])
    assert_type(run.results()[0].to_dict(), dict[str, Any])
    assert_type(run.results()[0].usage, Mapping[str, Any] | None)
    assert_type(Answer.from_dict({}), Answer)
    assert_type(run.to_json(workspace / "answers"), str)
    assert_type(run.wait(timeout=60), Report)
    assert_type(run.cancel(), Decision)
    assert_type(len(run), int)
    run.status().cost_usd = 1.0  # type: ignore[misc]
    run.wait(colour="red")  # type: ignore[call-arg]
