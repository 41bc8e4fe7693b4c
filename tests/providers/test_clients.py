"""
What every client does alike: the same story with every provider, over real HTTP, against the fake ones.

The pause between two calls takes no time here, and waiting moves the provider's clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import pytest

from reconciler.codec.wire import line_number
from reconciler.errors import CallRefused, NotThere
from reconciler.model.identity import Role
from reconciler.model.remote import Order, RemoteBatch
from reconciler.model.status import Phase, phase_of
from reconciler.providers.base import Remote
from reconciler.providers.calls import Source
from reconciler.providers.http import Http
from reconciler.providers.http_settings import HttpSettings
from reconciler.providers.keys import KeyMissing, ProviderOptions
from reconciler.providers.openai import OpenAI
from reconciler.providers.registry import make
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import http_error
from tests.wires import Memory, source_of

INTENT = "0123456789abcdef0123456789abcdef"
CHAT = "/v1/chat/completions"
KEYS = (
    *("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY"),
    *("TOGETHER_API_KEY", "OPENROUTER_API_KEY"),
)
NAMES = ("openai", "azure", "anthropic", "gemini", "mistral", "together", "azure-old", "openrouter")
MESSAGES = [{"role": "user", "content": "2+2?"}]


def line_of(name: str, number: int) -> bytes:
    """A request in the shape of a provider."""
    custom_id = f"r-{number}"
    chat = {"model": "m", "messages": MESSAGES}
    line: dict[str, Any]
    match name:
        case "anthropic":
            line = {"custom_id": custom_id, "params": chat | {"max_tokens": 9}}
        case "gemini":
            contents = [{"role": "user", "parts": [{"text": "2+2?"}]}]
            line = {"key": custom_id, "request": {"contents": contents}}
        case "mistral":
            line = {"custom_id": custom_id, "body": {"messages": MESSAGES}}
        case _:
            line = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": chat}
    return json.dumps(line).encode() + b"\n"


class Asked:
    """A client of the fake, the room that sends its calls, and what it asks for."""

    def __init__(self, name: str, fake: FakeProvider, key: str = "test-key") -> None:
        spoken = "openai" if name == "together" else name.removesuffix("-old")
        self.name = spoken
        self.fake = fake
        base = fake.url(spoken)
        options = ProviderOptions(
            base_url=base,
            model="gemini-flash" if spoken == "gemini" else "",
            api_version="2024-10-21" if name == "azure-old" else "",
        )
        if name == "together":
            switches = fake.openai.switches
            switches.purpose, switches.metadata, switches.wrapper = "batch-api", False, "job"
            switches.upper_case = switches.iso = True
            switches.counts = False
        made = make(name.removesuffix("-old"), options, dict.fromkeys(KEYS, key))
        assert not isinstance(made, KeyMissing)
        if isinstance(made, OpenAI):
            # The fake takes uploads at one address alone.
            made = attrs.evolve(made, switches=attrs.evolve(made.switches, upload="/files"))
        self.client: Remote = made
        self.wire = Http(lambda seconds, _stop: fake.clock.advance(seconds), HttpSettings(spacing=0.0))

    def order(self, requests: int) -> Order:
        """An order for so many lines."""
        model = self.client.model or ("m" if self.name in {"mistral", "openrouter"} else None)
        return Order(INTENT, self.client.endpoint, model, requests)

    def source(self, requests: int) -> Source:
        """So many lines."""
        return source_of(b"".join(line_of(self.name, n) for n in range(1, requests + 1)), 100)

    def submit(self, requests: int = 3) -> RemoteBatch:
        """Upload and create."""
        return self.create(requests, self.upload(requests))

    def upload(self, requests: int = 3) -> str | None:
        """Upload, and wait until a batch can be made of it; None where nothing is uploaded."""
        if not self.client.takes_file:
            return None
        file_id = self.client.upload(self.wire, self.source(requests), f"batch_input_{INTENT}.jsonl")
        while not self.client.is_ready(self.wire, file_id):
            self.fake.clock.advance(1.0)
        return file_id

    def create(self, requests: int, file_id: str | None) -> RemoteBatch:
        """Create."""
        return self.client.create(self.wire, self.order(requests), self.source(requests), file_id)

    def end_of(self, batch: RemoteBatch) -> RemoteBatch:
        """Ask until it has ended."""
        for _ in range(20):
            batch = self.client.status(self.wire, batch.batch_id)
            if phase_of(batch.status) is not Phase.RUNNING:
                return batch
            self.fake.clock.advance(60.0)
        raise AssertionError(f"{batch} does not end")

    def lines(self, batch: RemoteBatch) -> dict[Role, list[dict[str, Any]]]:
        """The answers of a batch, by file."""
        found = {}
        for role, file_id in batch.files.items():
            sink = Memory()
            size = self.client.download(self.wire, file_id, sink)
            assert size in {None, len(sink.data)}
            found[role] = [json.loads(line) for line in sink.data.split(b"\n") if line]
        return found


@pytest.fixture(params=NAMES)
def asked(request: pytest.FixtureRequest, fake_provider: FakeProvider) -> Iterator[Asked]:
    """A client of each provider."""
    found = Asked(request.param, fake_provider)
    yield found
    found.wire.close()


def ids(asked: Asked, lines: Sequence[dict[str, Any]]) -> list[str]:
    """Whose lines these are, the wire's ids read as what they stand for."""
    found = [line["key" if asked.name == "gemini" else "custom_id"] for line in lines]
    if asked.client.numbers_ids:
        return sorted(f"r-{line_number(each, INTENT)}" for each in found)
    return sorted(found)


def test_from_input_to_answers(asked: Asked) -> None:
    """Submit, look, download: each request has its answer, and the counts say so where they are told."""
    made = asked.submit()
    batch = asked.end_of(made)
    files = asked.lines(batch)

    assert batch.batch_id == made.batch_id
    assert phase_of(batch.status) is Phase.DONE
    assert ids(asked, files[Role.OUTPUT]) == ["r-1", "r-2", "r-3"]
    assert not files.get(Role.ERROR)
    assert batch.counts.total in {None, 3}
    assert batch.counts.completed in {None, 3}
    assert batch.created_at is not None


def test_success_and_failure(asked: Asked) -> None:
    """One failed request is in the error file, or in the one stream; no line is lost."""
    failing = {"r-2": http_error(500), f"{INTENT[:8]}-2": http_error(500)}
    asked.fake.script(Fate(outcomes=failing))
    batch = asked.end_of(asked.submit())
    files = asked.lines(batch)

    assert ids(asked, [line for lines in files.values() for line in lines]) == ["r-1", "r-2", "r-3"]
    assert set(files) == ({Role.OUTPUT} if asked.client.one_stream else {Role.OUTPUT, Role.ERROR})
    assert batch.counts.failed in {None, 1}


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_was_answered_before_an_early_end(asked: Asked, end: Any) -> None:
    """Batches that ended early have their answers told, wherever the provider tells any."""
    asked.fake.script(Fate(end=end, done=2))
    batch = asked.end_of(asked.submit())
    files = asked.lines(batch)

    if asked.name == "anthropic":
        assert phase_of(batch.status) is Phase.DONE
    else:
        assert phase_of(batch.status) is Phase.PARTIAL
    if asked.name != "gemini":
        assert {"r-1", "r-2"} <= set(ids(asked, [line for lines in files.values() for line in lines]))


def test_a_batch_is_found_again(asked: Asked) -> None:
    """By its intent, or by its input file; without either, by its time and its count."""
    made = asked.submit()
    (found,) = asked.client.batches(asked.wire)

    assert found.batch_id == made.batch_id
    assert found.input_file_id == made.input_file_id
    assert found.created_at == made.created_at
    assert found.intent == (INTENT if asked.client.tags else None)
    if not asked.client.tags:
        assert found.input_file_id is not None or found.counts.total == 3


def test_many_batches_are_listed_to_the_last(asked: Asked) -> None:
    """A list that has several pages is read to its end, each batch once."""
    asked.fake.gemini.switches.most_running = 200
    file_id = asked.upload(1)
    made = []
    for _ in range(101):
        asked.fake.clock.advance(1.0)
        made.append(asked.create(1, file_id).batch_id)
    found = [batch.batch_id for batch in asked.client.batches(asked.wire)]

    assert sorted(found) == sorted(made)


def test_cancel(asked: Asked) -> None:
    """A cancel ends a batch, where there is one; of a batch that has ended it is no error."""
    asked.fake.script(Fate(polls=1000) if asked.client.cancels else Fate(polls=2))
    made = asked.submit()
    if not asked.client.cancels:
        with pytest.raises(CallRefused, match="no call that stops a batch"):
            asked.client.cancel(asked.wire, made.batch_id)
        asked.end_of(made)
        asked.client.cancel(asked.wire, made.batch_id)
        return
    asked.client.cancel(asked.wire, made.batch_id)
    batch = asked.end_of(made)

    assert phase_of(batch.status) is (Phase.DONE if asked.name == "anthropic" else Phase.PARTIAL)
    asked.client.cancel(asked.wire, made.batch_id)


def test_files(asked: Asked) -> None:
    """An uploaded input is listed under its name and removed, once or twice."""
    if not asked.client.takes_file:
        pytest.skip("it keeps no files")
    source = asked.source(2)
    file_id = asked.client.upload(asked.wire, source, f"batch_input_{INTENT}.jsonl")
    (found,) = asked.client.files(asked.wire)

    assert (found.file_id, found.size) == (file_id, source.size)
    assert INTENT in found.name
    asked.client.delete_file(asked.wire, file_id)
    asked.client.delete_file(asked.wire, file_id)
    assert list(asked.client.files(asked.wire)) == []


def test_what_belongs_to_another_key(asked: Asked, request: pytest.FixtureRequest) -> None:
    """Another key sees nothing of it: it is not there, which is neither lost nor ended."""
    made = asked.submit()
    name = request.node.callspec.params["asked"]
    other = Asked(name, asked.fake, "other-key")
    asks: tuple[Callable[[], object], ...] = (
        lambda: other.client.status(other.wire, made.batch_id),
        lambda: other.client.cancel(other.wire, made.batch_id),
    )
    for ask in asks:
        with pytest.raises(NotThere):
            ask()
    assert list(other.client.batches(other.wire)) == []
    assert other.client.account != asked.client.account
    other.wire.close()
