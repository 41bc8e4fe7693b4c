"""
What users of llm-batch-runner call, in our words: each example of its documentation, and what comes of it.

Its built-in worker asks OpenRouter. Here the fake provider answers in its place, found by the variable that
says where OpenRouter is; nothing else of a call is changed for the test. `docs/live.md` has the same table.
"""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from reconciler import export_jsonl, prompt_map
from reconciler.errors import KeyRefused
from reconciler.testing import FakeProvider
from reconciler.testing.exchange import Exchange
from reconciler.testing.faults import Refuse
from reconciler.testing.world import World

PROMPTS = ["Summarize the fox.", "Three points on the sky, please.", "Say hello, pirate!"]
MODEL = "openai/gpt-4o-mini"


@pytest.fixture
def fake(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """In OpenRouter's place, for somebody who has no key in the environment."""
    for name in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENROUTER_BASE_URL", fake_provider.url("openrouter"))
    return fake_provider


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, and a user whose cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def asked(fake: FakeProvider) -> int:
    """How many requests were sent."""
    return len(fake.calls.of("live"))


def caches(here: Path) -> list[Path]:
    """The cache folders that there are."""
    return sorted((here.parent / "cache" / "reconciler" / "prompts").glob("*"))


def test_quick_start(fake: FakeProvider, here: Path) -> None:
    """
    Key and model in `.env`, sixteen at once: an answer for each prompt, in order, and no cache is left.

    Theirs reads `.env` by itself; ours when it is named.
    """
    (here / ".env").write_text(f"MODEL={MODEL}\nOPENROUTER_API_KEY={fake.key}\n", "utf-8")

    async def main() -> Any:
        return await prompt_map(PROMPTS, concurrency=16, teardown=True, env_file=".env")

    results = asyncio.run(main())
    assert [(row.prompt, row.outcome, row.text, row.model) for row in results] == [
        (prompt, "answered", prompt, MODEL) for prompt in PROMPTS
    ]
    assert (asked(fake), caches(here)) == (3, [])


def test_it_rests_on_the_environment(fake: FakeProvider, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From variables alone, without a word more than the prompts; without them it says what to set."""
    with pytest.raises(KeyRefused, match="OPENAI_API_KEY"):
        asyncio.run(prompt_map(PROMPTS))
    monkeypatch.setenv("MODEL", MODEL)
    monkeypatch.setenv("OPENROUTER_API_KEY", fake.key)
    results = asyncio.run(prompt_map(PROMPTS))
    assert [row.text for row in results] == PROMPTS
    assert len(caches(here)) >= 1


def test_model_and_key_as_arguments(fake: FakeProvider, here: Path) -> None:
    """`model_name` and `openrouter_api_key`; their worker's temperature and patience are said."""
    bodies: list[Any] = []

    class Looking:
        """See what is sent."""

        async def play(self, exchange: Exchange, world: World) -> None:  # noqa: ARG002 - the protocol's
            """Look, then answer what was seen."""
            sent = await exchange.body()
            bodies.append(json.loads(sent))

            async def again() -> Any:
                return {"type": "http.request", "body": sent, "more_body": False}

            exchange.receive = again
            await exchange.deliver(await exchange.answer())

    fake.fault("live", Looking(), times=3)
    results = asyncio.run(
        prompt_map(
            PROMPTS,
            service="openrouter",
            model=MODEL,
            api_key=fake.key,
            params={"temperature": 0.0},
            request_seconds=20,
        )
    )
    assert [row.text for row in results] == PROMPTS
    assert {(body["model"], body["temperature"]) for body in bodies} == {(MODEL, 0.0)}
    assert all(
        fake.key.encode() not in path.read_bytes() for path in here.parent.rglob("*") if path.is_file()
    )


def test_a_worker_of_ones_own(here: Path) -> None:
    """An async function of a prompt is taken as it is."""

    async def echo_worker(prompt: str) -> str:
        return prompt.upper()

    results = asyncio.run(prompt_map(PROMPTS, worker=echo_worker))
    assert [row.text for row in results] == [prompt.upper() for prompt in PROMPTS]
    assert len(caches(here)) == 1


class Bullets(BaseModel):
    """What an answer should hold."""

    points: list[str]


def test_structured_outputs(fake: FakeProvider, here: Path) -> None:
    """With `response_model` a row has the JSON text, as theirs, and the value that was made of it."""
    prompts = ['{"points": ["blue", "light"]}', '{"points": []}']
    results = asyncio.run(
        prompt_map(
            prompts,
            service="openrouter",
            model=MODEL,
            api_key=fake.key,
            response_model=Bullets,
            cache_dir=here,
        )
    )
    assert [row.value for row in results] == [Bullets(points=["blue", "light"]), Bullets(points=[])]
    assert [Bullets.model_validate_json(row.text) for row in results] == [row.value for row in results]


def test_output_shape(here: Path) -> None:
    """`output_shape` is `order`: a row for each prompt, or each that differs; equal ones are asked once."""
    calls: list[str] = []

    async def worker(prompt: str) -> str:
        calls.append(prompt)
        return f"{prompt}!"

    prompts = [f"number {n // 2}" for n in range(30)]
    original = asyncio.run(prompt_map(prompts, worker=worker, order="original", cache_dir=here))
    unique = asyncio.run(prompt_map(prompts, worker=worker, order="unique", cache_dir=here))
    assert [row.text for row in original] == [f"{prompt}!" for prompt in prompts]
    assert [row.prompt for row in unique] == prompts[::2]
    assert Counter(calls) == Counter(prompts[::2])


def test_return_dtype(fake: FakeProvider, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`return_dtype` is `returns`; the table of their demo, with duplicates, goes into a CSV."""
    monkeypatch.setenv("MODEL", MODEL)
    monkeypatch.setenv("OPENROUTER_API_KEY", fake.key)
    prompts = [f"Add 1000 to this number: {n // 2}" for n in range(30)]

    def returned(kind: str) -> Any:
        return asyncio.run(
            prompt_map(prompts, concurrency=24, max_attempts=8, returns=kind, cache_dir=here / "c")
        )

    assert returned("text") == prompts
    assert returned("pairs") == [(prompt, prompt) for prompt in prompts]
    assert returned("records")[0].outcome == "answered"
    frame = returned("dataframe")
    frame.to_csv(here / "demo.csv")
    assert (len(frame), list(frame["text"])) == (30, prompts)
    assert len((here / "demo.csv").read_text("utf-8").splitlines()) == 31
    assert asked(fake) == 15


def test_exporting(here: Path) -> None:
    """`export_jsonl` takes a cache folder where theirs takes a database's URL, and tells failures too."""

    async def worker(prompt: str) -> str:
        if prompt == PROMPTS[1]:
            raise PermissionError("no")
        return prompt

    asyncio.run(prompt_map(PROMPTS, worker=worker, cache_dir=here / "c", max_attempts=1))
    (folder,) = (here / "c").iterdir()
    out = export_jsonl(folder, out="results.jsonl")
    lines = [json.loads(line) for line in Path(out).read_text("utf-8").splitlines()]
    assert out == str(here / "results.jsonl")
    assert [(line["prompt"], line["outcome"], line["text"]) for line in lines] == [
        (PROMPTS[0], "answered", PROMPTS[0]),
        (PROMPTS[1], "failed", None),
        (PROMPTS[2], "answered", PROMPTS[2]),
    ]
    assert lines[1]["error"] == "PermissionError: no"


def test_tuning(fake: FakeProvider, here: Path) -> None:
    """
    Attempts, rate, place of the cache and progress are arguments of the same use.

    A prompt that fails for a while is asked up to `max_attempts` times, and comes back with its reason.
    """
    told: list[tuple[int, int]] = []
    fake.fault("live", Refuse(503), nth=1, times=2)
    (row,) = asyncio.run(
        prompt_map(
            PROMPTS[:1],
            service="openrouter",
            model=MODEL,
            api_key=fake.key,
            concurrency=1,
            max_attempts=2,
            requests_per_minute=6000,
            cache_dir=here / "my_runs",
            progress_every=1,
            on_progress=lambda seen: told.append((seen.answered, seen.failed)),
        )
    )
    assert (row.outcome, row.text, row.error_class) == ("failed", None, "server-error")
    assert (asked(fake), told[-1]) == (2, (0, 1))
    assert [each.is_dir() for each in (here / "my_runs").iterdir()] == [True]
