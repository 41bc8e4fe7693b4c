"""The Python API with code of its caller: functions for results, whole batches and requests."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import reconciler
from reconciler import BatchContext, ProcessedBatch, Request, Result, State, Workspace, reconcile
from tests.reconciling import go, put_settled
from tests.workers import chat
from tests.workspaces import answered, failed, put, request, results, scratch


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def test_each_answer_goes_to_on_result(root: Path) -> None:
    """Answers in input order, failures to nobody; what is returned is the line's value."""
    asked = [request(n) for n in range(3)]
    put(root, "1", input=asked, output=[answered(2), answered(0)], error=[failed(1)])
    seen: list[Result] = []

    def handle(result: Result) -> int:
        seen.append(result)
        return len(seen)

    assert go(root, on_result=handle).exit_code == 0
    assert [(each.custom_id, each.text, each.batch) for each in seen] == [
        ("q-0", "answer 0", "1"),
        ("q-2", "answer 2", "1"),
    ]
    assert [line.get("value") for line in results(root, "1")] == [1, None, 2]


def test_on_result_may_be_async(root: Path) -> None:
    """Many at once, each value on its own line."""
    put_settled(root, count=5)

    async def handle(result: Result) -> str:
        await asyncio.sleep(0)
        return result.custom_id

    go(root, on_result=handle)
    assert [line["value"] for line in results(root, "1")] == [f"q-{n}" for n in range(5)]


def test_a_whole_batch_goes_to_an_output_processor(root: Path) -> None:
    """A function of (batch, context) gets all of it at once."""
    put_settled(root)

    def whole(batch: ProcessedBatch, context: BatchContext) -> dict[str, Any]:
        context.publish("ids.txt", "\n".join(each.custom_id for each in batch.results()))
        return {"name": batch.name, "answered": batch.answered}

    assert go(root, output_processor=whole).exit_code == 0
    assert json.loads((root / "target/1.value.json").read_text("utf-8")) == {"name": "1", "answered": 2}
    assert (root / "target/1.files/ids.txt").read_text("utf-8") == "q-0\nq-1"


@pytest.mark.parametrize("data", [b"no lines of ours\n", b'{"custom_id":"q-0","outcome":"failed"}\n'])
def test_what_a_processor_calls_its_files_is_its_own_affair(data: bytes, root: Path) -> None:
    """`check` counts ids in the results that the reconciler writes, and in no file of another name."""
    put_settled(root)

    def whole(_batch: ProcessedBatch, context: BatchContext) -> None:
        for name in ("my.results.jsonl", "1.results.jsonl", "target.results.jsonl"):
            context.publish(name, data)

    assert go(root, output_processor=whole).exit_code == 0
    assert (root / "target/1.files/my.results.jsonl").read_bytes() == data
    assert Workspace.open(root, environment=False).check().findings == []


def test_a_worker_gets_requests(root: Path) -> None:
    """Plain or async, called with each request."""
    put(root, "1", input=[request(0)])
    seen: list[Request] = []

    def work(asked: Request) -> dict[str, Any]:
        seen.append(asked)
        return chat("here")

    assert go(root, provider="local", worker=work, settings={"policy.settle_seconds": 0}).exit_code == 0
    assert [each.custom_id for each in seen] == ["q-0"]
    assert results(root, "1")[0]["text"] == "here"


def test_it_works_where_a_loop_is_running(root: Path) -> None:
    """Called from within asyncio with async functions: they run, and the caller's own loop lives on."""
    put(root, "1", input=[request(n) for n in range(3)])

    async def work(asked: Request) -> dict[str, Any]:
        await asyncio.sleep(0)
        return chat(asked.custom_id)

    async def handle(result: Result) -> str | None:
        await asyncio.sleep(0)
        return result.text

    async def caller() -> int:
        choices = {"provider": "local", "worker": work, "settings": {"policy.settle_seconds": 0}}
        code = go(root, on_result=handle, **choices).exit_code
        await asyncio.sleep(0)
        return code

    assert asyncio.run(caller()) == 0
    assert [line["value"] for line in results(root, "1")] == ["q-0", "q-1", "q-2"]


def test_code_of_the_caller_needs_no_trust_and_does_not_lend_any(root: Path) -> None:
    """A workspace that names code is refused all the same, whatever the call brings along."""
    put_settled(root)
    (root / "reconciler.toml").write_text('[output]\nprocessor = "hooks.py:f"\n', "utf-8")
    with pytest.raises(reconciler.ConfigError, match="not trusted"):
        go(root, on_result=lambda _result: 1)


def test_the_environment_counts_unless_it_is_left_out(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RECONCILER_ variables and the user's own file; `environment=False` knows neither."""
    put(root, "1", input=[request(0)])
    mine = tmp_path / "mine.toml"
    mine.write_text('[provider]\nname = "mistral"\n', "utf-8")
    monkeypatch.setenv("RECONCILER_USER_CONFIG", str(mine))
    assert "mistral" in reconcile(root).batch("1").because
    monkeypatch.setenv("RECONCILER_PROVIDER_NAME", "gemini")
    assert "gemini" in reconcile(root).batch("1").because
    assert "no provider is configured" in reconcile(root, environment=False).batch("1").because
    assert "openai" in reconcile(root, provider="openai").batch("1").because


def test_transforms_are_functions_or_names(root: Path, tmp_path: Path) -> None:
    """A function changes failed requests of its class, and so does code by name; both are recorded."""
    put(root, "1", input=[request(0)], error=[failed(0, 413)])
    put(root, "2", input=[request(1)], error=[failed(1, 400)])

    def shorten(asked: dict[str, Any]) -> Any:
        return {**asked, "body": {**asked["body"], "max_tokens": 9}}

    code = tmp_path / "mine.py"
    code.write_text(
        "async def later(asked, failure):\n    return {**asked, 'body': {'model': 'm'}}\n", "utf-8"
    )
    named = f"{code}:later"
    report = go(root, provider="openai", transforms={"over-length": shorten, "invalid-request": named})
    assert report.count(State.SETTLED) == 2
    first, second = (json.loads((root / f"workdir/batch_input_{n}.r1.jsonl").read_bytes()) for n in (1, 2))
    assert (first["body"]["max_tokens"], second["body"]) == (9, {"model": "m"})
    told = [
        json.loads((root / f"done/{n}/manifest.json").read_bytes())["children"][f"{n}.r1"]["changed"]["by"]
        for n in (1, 2)
    ]
    assert "shorten" in told[0]["over-length"]
    assert told[1]["invalid-request"].startswith("mine.py:later/")
