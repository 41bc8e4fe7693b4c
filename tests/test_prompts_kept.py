"""`prompt_map`: what was answered is kept, whatever stops the process, and can be exported or removed."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from reconciler import export_jsonl, prompt_map, prompt_map_sync
from reconciler.errors import Interrupted, PermanentError
from tests.cli.calling import python
from tests.prompting import asked
from tests.workers import note, noted
from tests.workspace.faults import in_child
from tests.workspaces import scratch


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder for caches, in memory."""
    with scratch() as folder:
        yield folder


def test_a_cancelled_call_keeps_what_was_answered(root: Path) -> None:
    """The call ends only when nothing works in the folder any more, and the next one goes on."""
    calls: list[str] = []

    async def main() -> None:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def worker(prompt: str) -> str:
            calls.append(prompt)
            loop.call_soon_threadsafe(begun.set)
            return prompt

        many = [f"p{n}" for n in range(300)]
        task = asyncio.create_task(prompt_map(many, worker=worker, cache_dir=root / "cache", concurrency=1))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        before = len(calls)
        assert await prompt_map(many, worker=worker, cache_dir=root / "cache", returns="text") == many
        assert len(calls) == 300
        assert before < 300

    asyncio.run(main())


CANCELLED: Final = """
import asyncio, sys
from reconciler import prompt_map

async def main():
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    async def worker(prompt):
        loop.call_soon_threadsafe(begun.set)
        await asyncio.sleep(0.2)
        return prompt

    many = [f"p{n}" for n in range(20)]
    task = asyncio.create_task(prompt_map(many, worker=worker, cache_dir=sys.argv[1], concurrency=1))
    await begun.wait()
    for _ in range(int(sys.argv[2])):
        task.cancel()
        await asyncio.sleep(0.01)
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")

asyncio.run(main())
"""


@pytest.mark.parametrize("times", [1, 2])
def test_a_cancelled_call_leaves_nothing_for_asyncio_to_complain_of(times: int, root: Path) -> None:
    """That it was interrupted is what was asked for, be it once or again while it ends."""
    said = python(CANCELLED, root / "cache", str(times))
    assert (said.code, said.out, said.err) == (0, "cancelled\n", "")


def test_someone_may_ask_for_an_end(root: Path) -> None:
    """What was answered by then is kept."""
    calls: list[str] = []

    async def worker(prompt: str) -> str:
        calls.append(prompt)
        return prompt

    with pytest.raises(Interrupted):
        asked(root, [f"p{n}" for n in range(50)], worker, concurrency=1, stopping=lambda: len(calls) >= 10)
    assert 10 <= len(calls) < 50
    asked(root, [f"p{n}" for n in range(50)], worker)
    assert len(calls) == 50


PROMPTS = [f"p{n}" for n in range(400)]


def killed(root: Path, last: int) -> int:
    """Ask, and be killed in the middle of it."""
    seen = 0

    async def worker(prompt: str) -> str:
        nonlocal seen
        note(root / "log", prompt)
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"about {prompt}"

    # The same code makes the same key in every process.
    asked(root, PROMPTS, worker, concurrency=8)
    return 0


def test_killed_again_and_again_each_prompt_is_answered_once(root: Path) -> None:
    """Each kill may cost the calls under way, at most the concurrency; nothing else is asked twice."""
    for _ in range(5):
        assert in_child(partial(killed, root, 60)) == -signal.SIGKILL
    assert in_child(partial(killed, root, 10_000)) == 0
    counts = noted(root / "log")
    assert set(counts) == set(PROMPTS)
    assert sum(counts.values()) - len(PROMPTS) <= 5 * 8
    (folder,) = (root / "cache").iterdir()
    out = export_jsonl(folder, root / "out.jsonl")
    lines = [json.loads(line) for line in Path(out).read_text("utf-8").splitlines()]
    assert [(line["prompt"], line["text"]) for line in lines] == [(each, f"about {each}") for each in PROMPTS]


def test_what_is_there_can_be_exported_after_a_crash(root: Path) -> None:
    """Finished, failed and pending prompts, in the order of asking."""
    assert in_child(partial(killed, root, 60)) == -signal.SIGKILL
    (folder,) = (root / "cache").iterdir()
    out = export_jsonl(folder, root / "out.jsonl")
    lines = [json.loads(line) for line in Path(out).read_text("utf-8").splitlines()]
    assert [line["prompt"] for line in lines] == PROMPTS
    assert {line["outcome"] for line in lines} == {"in-flight"}


def test_a_cache_is_removed_only_after_success_and_when_asked(root: Path) -> None:
    """With a failure in it, it stays; without being asked, too."""

    async def worker(prompt: str) -> str:
        if prompt == "bad":
            raise PermanentError("no")
        return prompt

    asked(root, ["good", "bad"], worker, teardown=True)
    assert len(list((root / "cache").iterdir())) == 1
    asked(root, ["good"], worker, teardown=True)
    assert list((root / "cache").iterdir()) == []


def test_a_workspace_of_ones_own_holds_ordinary_batches(root: Path) -> None:
    """With a workspace the prompts are a batch like any other, and nothing of the cache is used."""
    records = prompt_map_sync(["a", "b"], worker="echo", workspace=root / "w", cache_dir=root / "cache")
    assert [each.text for each in records] == ["a", "b"]
    (settled,) = (root / "w" / "done").iterdir()
    assert settled.name.startswith("prompts-")
    assert not (root / "cache").exists()
    # A workspace of the user's is never removed.
    prompt_map_sync(["a", "b"], worker="echo", workspace=root / "w", teardown=True)
    assert (root / "w" / "done").is_dir()
