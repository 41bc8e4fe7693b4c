"""`prompt_map`: every prompt is asked once, and its answer comes in the prompt's place."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from reconciler import prompt_map, prompt_map_sync
from reconciler.caches import Known, open_cache
from reconciler.decide import retry
from reconciler.errors import KeyRefused, NotAWorkspace, PermanentError, UsageError, WorkspaceLocked
from reconciler.prompting import Ask
from reconciler.testing import FakeProvider
from tests.prompting import Noting, asked
from tests.workers import noted
from tests.workspaces import files, scratch, settings


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder for caches, in memory."""
    with scratch() as folder:
        yield folder


def test_answers_come_in_the_order_of_the_prompts(root: Path) -> None:
    """One record a prompt; text and pairs are the same in other forms; equal prompts are asked once."""
    worker = Noting(root / "log")
    prompts = ["c", "a", "b", "a"]
    records = asked(root, prompts, worker)
    assert [(each.prompt, each.outcome, each.text) for each in records] == [
        (prompt, "answered", f"about {prompt}") for prompt in prompts
    ]
    assert asked(root, prompts, worker, returns="text") == [f"about {each}" for each in prompts]
    assert asked(root, prompts, worker, returns="pairs") == [(each, f"about {each}") for each in prompts]
    assert [each.prompt for each in asked(root, prompts, worker, order="unique")] == ["c", "a", "b"]
    frame = asked(root, prompts, worker, returns="dataframe")
    assert list(frame["text"]) == [f"about {each}" for each in prompts]
    assert noted(root / "log") == Counter("abc")


def test_equal_prompts_may_each_be_asked(root: Path) -> None:
    """Without `dedupe` each row is a request of its own, and still none is asked twice."""
    worker = Noting(root / "log")
    assert asked(root, ["a", "a", "b"], worker, dedupe=False, returns="text") == [
        "about a",
        "about a",
        "about b",
    ]
    asked(root, ["a", "a", "b"], worker, dedupe=False)
    assert noted(root / "log") == Counter({"a": 2, "b": 1})


def test_new_prompts_alone_are_asked(root: Path) -> None:
    """What has an answer keeps it, in whatever company it is asked again."""
    worker = Noting(root / "log")
    asked(root, ["a", "b"], worker)
    assert asked(root, ["d", "b", "c", "a"], worker, returns="text") == [f"about {each}" for each in "dbca"]
    assert noted(root / "log") == Counter("abcd")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"system": "be brief"}, id="system"),
        pytest.param({"params": {"temperature": 0}}, id="params"),
        pytest.param({"model": "m"}, id="model"),
        pytest.param({"response_model": {"type": "string"}}, id="schema"),
    ],
)
def test_whatever_changes_an_answer_makes_it_another(other: dict[str, Any], root: Path) -> None:
    """An answer to another model, system prompt, schema or parameter is never taken for this one."""
    calls: list[str] = []

    async def worker(prompt: str) -> str:
        calls.append(prompt)
        return '"text"'

    asked(root, ["a"], worker)
    asked(root, ["a"], worker, **other)
    assert calls == ["a", "a"]


def test_the_code_of_a_worker_is_part_of_it(root: Path) -> None:
    """A changed function is asked anew; the same one is not."""

    async def one(prompt: str) -> str:
        return f"one {prompt}"

    async def two(prompt: str) -> str:
        return f"two {prompt}"

    assert asked(root, ["a"], one, returns="text") == ["one a"]
    assert asked(root, ["a"], two, returns="text") == ["two a"]


def test_failed_prompts_come_back_with_their_reason_and_are_asked_again(root: Path) -> None:
    """Not among the missing; the next call asks them, and them alone, anew."""
    calls: list[str] = []

    async def worker(prompt: str) -> str:
        calls.append(prompt)
        if prompt == "bad" and calls.count("bad") == 1:
            raise PermanentError("no such thing")
        return f"about {prompt}"

    good, bad = asked(root, ["good", "bad"], worker)
    assert (good.outcome, bad.outcome, bad.error) == ("answered", "failed", "no such thing")
    assert bad.error_class == "invalid-request"
    assert asked(root, ["good", "bad"], worker, returns="text") == ["about good", "about bad"]
    assert Counter(calls) == Counter({"bad": 2, "good": 1})


def test_what_a_retry_child_asks_already_is_not_asked_beside_it(root: Path) -> None:
    """A failed prompt that a person has had asked again waits in its child, and is asked there, once."""
    calls: list[str] = []

    async def worker(prompt: str) -> str:
        calls.append(prompt)
        if len(calls) == 1:
            raise PermanentError("no such thing")
        return f"about {prompt}"

    workspace = root / "w"
    (failed,) = prompt_map_sync(["bad"], worker=worker, workspace=workspace)
    (name,) = [each.name for each in (workspace / "done").iterdir()]
    # Nobody answers here, so that the child stays as it is.
    retry(str(workspace), settings(provider="none"), [name], classes=["invalid-request"])
    (again,) = prompt_map_sync(["bad"], worker=worker, workspace=workspace)

    assert (failed.outcome, again.outcome, again.text) == ("failed", "answered", "about bad")
    assert calls == ["bad", "bad"]
    assert sorted(each.name for each in (workspace / "done").iterdir()) == [name, f"{name}.r1"]


def test_what_is_added_is_decided_while_nobody_else_can_add(root: Path) -> None:
    """Of two calls at once that miss the same prompt, the second sees what the first has added."""
    cache = open_cache(root / "cache", "key")
    ask = Ask(worker="echo")
    seen: list[set[str]] = []

    def wanted(known: Known) -> list[bytes]:
        seen.append(set(known))
        with pytest.raises(WorkspaceLocked):
            cache.add(wanted)
        return [] if known else [ask.line("a", "one"), ask.line("b", "two")]

    cache.add(wanted)
    cache.add(wanted)

    assert seen == [set(), {"a", "b"}]
    assert [name for name, _ in cache.prompts()] == ["a", "b"]


def test_a_plain_function_is_taken_and_may_return_json(root: Path) -> None:
    """It runs in a thread, so that slow ones run side by side."""

    def worker(prompt: str) -> Any:
        return {"length": len(prompt)}

    assert asked(root, ["four"], worker, returns="text") == ['{"length":4}']


@pytest.mark.parametrize(
    ("said", "error"),
    [
        pytest.param(None, "the worker returned None, expected text", id="none"),
        pytest.param(float("nan"), "the worker returned float, which is no JSON", id="nan"),
        pytest.param([float("inf")], "the worker returned list, which is no JSON", id="infinity-within"),
        pytest.param(object(), "the worker returned object, which is no JSON", id="object"),
        pytest.param({1: 2}, "the worker returned dict, which is no JSON: a key", id="key"),
    ],
)
def test_a_worker_that_returns_no_answer_has_failed(said: Any, error: str, root: Path) -> None:
    """It is told in words, as of a worker of requests, and asked once: it would say the same again."""
    calls: list[str] = []

    def worker(prompt: str) -> Any:
        calls.append(prompt)
        return said

    (record,) = asked(root, ["a"], worker)
    assert (record.outcome, record.error_class, record.text) == ("failed", "invalid-request", None)
    assert record.error.startswith(error)
    assert calls == ["a"]


@pytest.mark.parametrize(
    "worker",
    [
        pytest.param(lambda: "x", id="none"),
        pytest.param(lambda _prompt, _context: "x", id="two"),
        pytest.param(lambda *, prompt: prompt, id="by-name"),
    ],
)
def test_a_worker_takes_a_prompt(worker: Any, root: Path) -> None:
    """One that cannot be called with a prompt alone is refused before anything is written."""
    with pytest.raises(UsageError, match=r"worker: <function .* must take \(prompt\)"):
        asked(root, ["a"], worker)
    assert not (root / "cache").exists()


@pytest.mark.parametrize(
    "worker",
    [
        pytest.param(str.upper, id="method"),
        pytest.param(str, id="class"),
        pytest.param(partial(lambda first, prompt, last="!": first + prompt + last, "a"), id="partial"),
        pytest.param(lambda *prompts: prompts[0], id="any-number"),
    ],
)
def test_any_callable_of_a_prompt_is_a_worker(worker: Any, root: Path) -> None:
    """Methods, classes and functions with defaults or any number of parameters too."""
    (record,) = asked(root, ["b"], worker)
    assert record.outcome == "answered"


class Person(BaseModel):
    """What an answer should hold."""

    name: str
    age: int


def test_typed_answers_are_values_and_what_does_not_fit_is_asked_again(root: Path) -> None:
    """Fences are survived; an answer that does not fit counts as one that failed for a while."""
    said = iter(
        ["no idea", '```json\n{"name": "Ada", "age": "x"}\n```', '```json\n{"name": "Ada", "age": 36}\n```']
    )

    async def worker(_prompt: str) -> str:
        return next(said)

    (record,) = asked(root, ["who?"], worker, response_model=Person)
    assert record.value == Person(name="Ada", age=36)
    (again,) = asked(root, ["who?"], worker, response_model=Person)
    assert again.value == record.value


def test_messages_are_prompts_too(root: Path) -> None:
    """A chat is asked as it stands, and comes back as the prompt that it was."""
    chat = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes?"},
        {"role": "user", "content": "go"},
    ]
    (record,) = asked(root, [chat])
    assert (record.prompt, record.text) == (chat, "go")


@pytest.mark.parametrize(
    ("prompts", "more", "words"),
    [
        pytest.param([1], {}, "prompt 0 is int", id="number"),
        pytest.param(["a", []], {}, "prompt 1 is list", id="no-messages"),
        pytest.param(["\ud800"], {}, "prompt 0 cannot be sent", id="surrogate"),
        pytest.param(["a"], {"returns": "list"}, "returns='list'", id="returns"),
        pytest.param(["a"], {"order": "any"}, "order='any'", id="order"),
        pytest.param(["a"], {"colour": 1}, "unknown: colour", id="unknown"),
        pytest.param(["a"], {"worker": "x.py:f"}, "worker='x.py:f'", id="worker"),
        pytest.param(["a"], {"response_model": object}, "has no JSON Schema", id="schema"),
        pytest.param(["a"], {"env_file": "/nowhere/.env"}, "there is no file", id="env-file"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    prompts: list[Any], more: dict[str, Any], words: str, root: Path
) -> None:
    """Before anything is written."""
    with pytest.raises(UsageError, match=words):
        asked(root, prompts, **{"worker": "echo", **more})
    assert not (root / "cache").exists()


@pytest.mark.parametrize(
    ("prompts", "hint"),
    [
        pytest.param("abc", "prompts=['abc']", id="text"),
        pytest.param(b"abc", "", id="bytes"),
        pytest.param({"role": "user", "content": "hi"}, "", id="message"),
        pytest.param(None, "", id="nothing"),
        pytest.param(7, "", id="number"),
    ],
)
def test_one_prompt_is_no_list_of_prompts(prompts: Any, hint: str, root: Path) -> None:
    """Each letter of a text would be one, as each key of a message; nothing is written."""
    for call in (partial(asked, root, prompts), partial(asyncio.run, prompt_map(prompts, worker="echo"))):
        with pytest.raises(UsageError, match="prompts takes a list of prompts, not ") as caught:
            call()
        assert caught.value.hint == hint
    assert not (root / "cache").exists()


def test_nothing_is_asked_of_nothing(root: Path) -> None:
    """No prompts, no answers, no error."""
    assert asked(root, []) == []


def test_it_works_inside_a_loop(root: Path) -> None:
    """The async form can be awaited beside other work."""

    async def main() -> Any:
        return await asyncio.gather(
            prompt_map(["a"], worker="echo", cache_dir=root / "c", returns="text"),
            prompt_map(["b"], worker="echo", cache_dir=root / "d", returns="text"),
        )

    assert asyncio.run(main()) == [["a"], ["b"]]


def test_progress_is_told_every_so_many_ends_and_at_the_last(root: Path) -> None:
    """How far, at what rate, and how long it will take."""
    told: list[Any] = []
    asked(root, [f"p{n}" for n in range(100)], on_progress=told.append, progress_every=40, concurrency=4)
    assert 2 <= len(told) <= 4
    assert (told[-1].answered, told[-1].left) == (100, 0)


# Over HTTP


def test_a_live_endpoint_is_asked_with_the_key_that_was_given(
    root: Path, fake_provider: FakeProvider
) -> None:
    """The key goes to the endpoint and stands in no file; model, system prompt and parameters go along."""
    found = prompt_map_sync(
        ["hi"],
        api_key=FakeProvider.key,
        base_url=fake_provider.url("openai"),
        model="gpt-x",
        system="be brief",
        params={"temperature": 0},
        cache_dir=root / "cache",
    )
    assert (found[0].text, found[0].model) == ("hi", "gpt-x")
    assert len(fake_provider.calls.of("live")) == 1
    assert all(FakeProvider.key.encode() not in data for data in files(root).values())


def at_fake(root: Path, fake: FakeProvider, key: str) -> list[str]:
    """Ask the fake's live endpoint with a key."""
    found: list[str] = prompt_map_sync(
        ["hi"],
        base_url=fake.url("openai"),
        model="m",
        cache_dir=root / "cache",
        api_key=key,
        returns="text",
    )
    return found


def test_another_key_makes_no_other_answer(root: Path, fake_provider: FakeProvider) -> None:
    """Who pays does not change what was answered: the answer is there already."""
    at_fake(root, fake_provider, FakeProvider.key)
    at_fake(root, fake_provider, "other-key")
    assert len(fake_provider.calls.of("live")) == 1


def test_a_key_that_is_refused_is_told_and_nothing_has_failed(
    root: Path, fake_provider: FakeProvider
) -> None:
    """With the right one the same call goes through."""
    with pytest.raises(KeyRefused):
        at_fake(root, fake_provider, "wrong")
    assert at_fake(root, fake_provider, FakeProvider.key) == ["hi"]


def test_a_file_of_variables_is_read_when_it_is_named(root: Path, fake_provider: FakeProvider) -> None:
    """OpenRouter's users keep key and model there; what is not named is not read."""
    (root / "keys.env").write_text(f"OPENROUTER_API_KEY={FakeProvider.key}\nMODEL=x/y\n", encoding="utf-8")
    found = prompt_map_sync(
        ["hi"],
        service="openrouter",
        base_url=fake_provider.url("openai"),
        env_file=root / "keys.env",
        cache_dir=root / "cache",
    )
    assert found[0].model == "x/y"


def test_calls_at_once_make_one_cache_folder(root: Path) -> None:
    """Of calls that begin together where no folder is yet, each ends, or says that another is at work."""
    calls: list[str] = []

    async def worker(prompt: str) -> str:
        calls.append(prompt)
        await asyncio.sleep(0.01)
        return f"about {prompt}"

    async def main(turn: int) -> list[Any]:
        cache = root / f"cache{turn}"
        each = (
            prompt_map(["shared", f"p{n}"], worker=worker, cache_dir=cache, returns="text") for n in range(4)
        )
        return await asyncio.gather(*each, return_exceptions=True)

    for turn in range(5):
        calls.clear()
        found = asyncio.run(main(turn))
        told = [each for each in found if not isinstance(each, list)]
        assert [each for each in told if not isinstance(each, WorkspaceLocked)] == []
        for number, answers in enumerate(found):
            assert answers in told or answers == ["about shared", f"about p{number}"]
        assert len(told) < len(found)
        assert len(calls) == len(set(calls))


def test_a_cache_folder_whose_making_was_cut_off_is_completed(root: Path) -> None:
    """A kill before its first file, or after some, leaves a folder that the next call makes whole."""
    asked(root, ["a"])
    (folder,) = (root / "cache").iterdir()
    for left in ((), ("README.md",), ("README.md", ".reconciler-tmp-reconciler.toml")):
        shutil.rmtree(folder)
        folder.mkdir()
        for name in left:
            (folder / name).write_text("")
        assert [each.text for each in asked(root, ["a"])] == ["a"]


def test_a_folder_of_something_else_is_no_place_for_prompts(root: Path) -> None:
    """It is left as it is."""
    (root / "photos").mkdir()
    (root / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(NotAWorkspace):
        prompt_map_sync(["a"], worker="echo", workspace=root / "photos")
    assert [each.name for each in (root / "photos").iterdir()] == ["cat.jpg"]
