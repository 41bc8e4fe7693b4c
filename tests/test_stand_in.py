"""The echo stands in for nobody: what a worker has begun, no later pass fills up with echoes."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import Report, Request, State, Workspace, prompt_map_sync
from reconciler.errors import Interrupted
from tests.reconciling import go
from tests.workers import LIVE, Noted, chat, names, noted, progress
from tests.workspaces import live, manifest, put, record, request, results, scratch

EAGER: Final = {"policy.settle_seconds": 0, "local.retry_seconds": 0, "local.concurrency": 2}
WORKER: Final = "tests.workers.Noted()"
AGAIN: Final = {**EAGER, "policy.max_attempts": 2}


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


@pytest.fixture
def log(root: Path) -> Path:
    """Where calls are written down."""
    return root.parent / "calls"


def step(root: Path, worker: Any = None, **choices: Any) -> Report:
    """One pass with the provider `local`, by a worker, or by the one of the settings: the echo."""
    chosen = {} if worker is None else {"worker": worker}
    return go(root, **{"provider": "local", "settings": EAGER, **chosen, **choices})


def interrupted(root: Path, stopping: Callable[[], bool], worker: Any = None) -> None:
    """Begin a batch of eight, and ask for an end."""
    put(root, "1", input=[request(n) for n in range(8)])
    assert step(root, worker, stopping=stopping).batch("1").state is State.INTERRUPTED


def models(root: Path, name: str) -> Counter[str]:
    """Who answered, as published."""
    return Counter(str(each["model"]) for each in results(root, name))


def test_a_pass_without_a_worker_does_not_finish_what_one_began(root: Path, log: Path) -> None:
    """It is held, whoever asks; with a worker it goes on, and nobody is called twice."""
    interrupted(root, lambda: noted(log).total() >= 2, Noted(log))
    begun = noted(log)
    assert 2 <= begun.total() < 8
    assert record(root, "1")["online"] == {"worker": WORKER}
    for _ in range(2):
        row = step(root).batch("1")
        assert (row.state, noted(log)) == (State.HELD, begun)
        assert f"{WORKER} began it" in row.because
        assert row.hint.startswith("run what began it again")
    assert step(root, Noted(log)).batch("1").state is State.SETTLED
    assert noted(log) == Counter(names(8))
    assert models(root, "1") == {"w": 8}
    assert manifest(root, "1")["worker"] == WORKER


def test_a_worker_does_not_finish_what_the_echo_began(root: Path, log: Path) -> None:
    """It needs a person; once its progress is taken away as the hint says, every request is asked."""
    interrupted(root, progress(root, "1").exists)
    assert record(root, "1")["online"] == {"worker": "echo"}
    row = step(root, Noted(log)).batch("1")
    assert (row.state, noted(log)) == (State.ATTENTION, Counter())
    assert row.hint.startswith("move .reconciler/live/1.sqlite away")

    progress(root, "1").unlink()
    assert step(root, Noted(log)).batch("1").state is State.SETTLED
    assert models(root, "1") == {"w": 8}


def test_a_worker_may_begin_a_child_anew_that_the_echo_began(root: Path, log: Path) -> None:
    """Its metadata says whose requests it has, and so it has to stay; what the hint says of it works."""
    tags = {**AGAIN, "results.extract": "tags", "policy.classes.invalid-answer": "retry"}
    put(root, "1", input=[request(n) for n in range(8)])
    step(root, settings=tags, stopping=progress(root, "1.r1").exists)
    row = step(root, Noted(log), settings=tags).batch("1.r1")
    assert (row.state, noted(log)) == (State.ATTENTION, Counter())
    assert row.hint.startswith("move .reconciler/live/1.r1.sqlite away")

    progress(root, "1.r1").unlink()
    assert step(root, Noted(log), settings=tags).batch("1.r1").state is State.SETTLED
    assert (noted(log), models(root, "1.r1")) == (Counter(names(8)), {"w": 8})


def test_who_goes_on_is_written_down_where_nobody_was(root: Path, log: Path) -> None:
    """An earlier version did not say who began; the first pass of this one that calls anybody does."""
    interrupted(root, lambda: noted(log).total() >= 2, Noted(log))
    path = live(root) / "batch_metadata_1.jsonl"
    known = record(root, "1")
    del known["online"]
    path.write_text(json.dumps(known), "utf-8")
    before = noted(log).total()
    step(root, Noted(log), stopping=lambda: noted(log).total() > before)
    assert record(root, "1")["online"] == {"worker": WORKER}
    assert step(root).batch("1").state is State.HELD
    assert step(root, Noted(log)).batch("1").state is State.SETTLED
    assert noted(log) == Counter(names(8))


def test_a_worker_in_a_file_is_noted_by_its_whole_path(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be typed to go on may be typed anywhere."""
    put(root, "1", input=[request(0)])
    (root / "answers.py").write_text("def answer(request):\n    raise ValueError\n", "utf-8")
    monkeypatch.chdir(root)
    step(root, "answers.py:answer")
    assert manifest(root, "1")["worker"] == f"{root}/answers.py:answer"


def test_what_the_echo_began_it_finishes(root: Path) -> None:
    """Nothing is chosen in either pass, so nothing is mixed."""
    interrupted(root, progress(root, "1").exists)
    assert step(root).batch("1").state is State.SETTLED
    assert models(root, "1") == {"echo": 8}


def shout(prompt: str) -> str:
    """A worker of prompts."""
    return prompt.upper()


@pytest.mark.parametrize(
    ("worker", "named"),
    [("echo", "echo"), (shout, "tests.test_stand_in.shout()"), ("http", "http/openai()")],
)
def test_prompts_are_noted_by_who_is_asked(root: Path, worker: Any, named: str) -> None:
    """What wraps the worker of a call is not taken for it."""

    def stopping() -> bool:
        return any((root / LIVE).glob("*.sqlite"))

    with pytest.raises(Interrupted):
        prompt_map_sync(["a", "b"], worker=worker, workspace=root, stopping=stopping)
    (path,) = live(root).glob("batch_metadata_*.jsonl")
    assert record(root, path.stem.removeprefix("batch_metadata_"))["online"] == {"worker": named}


def refusing(log: Path) -> Noted:
    """A worker that has no answer to the last request."""

    def then(asked: Request) -> Any:
        if asked.custom_id == "q-7":
            raise TimeoutError
        return chat("answer")

    return Noted(log, then)


def test_children_of_a_worker_are_not_echoed(root: Path, log: Path) -> None:
    """What is asked again by itself waits for a worker, when the pass was stopped before the child began."""
    put(root, "1", input=[request(n) for n in range(8)])
    tags = {**AGAIN, "results.extract": "tags", "policy.classes.invalid-answer": "retry"}
    child = live(root) / "batch_metadata_1.r1.jsonl"
    step(root, Noted(log), settings=tags, stopping=child.exists)
    begun = noted(log)
    assert step(root, settings=tags).batch("1.r1").state is State.HELD
    assert record(root, "1.r1")["online"] == {"worker": WORKER}
    assert noted(log) == begun


def test_leftovers_of_a_worker_are_not_echoed(root: Path, log: Path) -> None:
    """What a person asks again of a settled batch waits for a worker too."""
    put(root, "1", input=[request(n) for n in range(8)])
    step(root, refusing(log), settings={**EAGER, "policy.max_attempts": 1})
    assert manifest(root, "1")["coverage"]["failed"]["requests"] == 1
    Workspace.open(root, environment=False, provider="local", settings=AGAIN).retry("1")
    assert step(root, settings=AGAIN).batch("1.r1").state is State.HELD
    assert record(root, "1.r1")["online"] == {"worker": WORKER}
    assert step(root, Noted(log), settings=AGAIN).batch("1.r1").state is State.SETTLED
    assert (models(root, "1.r1"), noted(log)["q-7"]) == ({"w": 1}, 2)


class Stub:
    """Something remote, which has whatever is asked for."""

    __name__ = "stub"

    def __getattr__(self, name: str) -> "Stub":
        """Another one."""
        return self

    def __call__(self, asked: Request) -> Any:
        """An answer."""
        return chat(asked.custom_id)


def test_a_worker_that_has_every_attribute_is_noted_by_its_class(root: Path) -> None:
    """Its own name is no text, nor is it asked whether it is somebody else."""
    put(root, "1", input=[request(0)])
    assert step(root, Stub()).batch("1").state is State.SETTLED
    assert manifest(root, "1")["worker"] == "tests.test_stand_in.Stub()"
