"""
The laws of the `Remote` protocol, one list for every client, over real HTTP against the fake providers.

`test_clients.py` tells the story of a batch; what is here holds in every story.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import attrs
import pytest

from reconciler.errors import CallRefused, KeyRefused, Later, NotThere, Uncertain
from reconciler.model.identity import Role
from reconciler.providers.base import Remote
from reconciler.testing import FakeProvider
from reconciler.testing.faults import Refuse, Reply, ReplyDropped, Reset
from tests.providers.test_clients import INTENT, NAMES, Asked
from tests.wires import Memory

MANY = 250
CANARY = "sk-canary-0123456789abcdef"
UNKNOWN = {
    "anthropic": "msgbatch_unknown",
    "gemini": "batches/unknown",
    "mistral": "00000000-0000-4000-8000-999999999999",
}
NO_FILE = {"gemini": "files/unknown", "mistral": "00000000-0000-4000-8000-999999999999"}


@pytest.fixture(params=NAMES)
def asked(request: pytest.FixtureRequest, fake_provider: FakeProvider) -> Iterator[Asked]:
    """A client of each provider."""
    found = Asked(request.param, fake_provider)
    yield found
    found.wire.close()


def again(asked: Asked, request: pytest.FixtureRequest, key: str) -> Asked:
    """The same client with another key."""
    return Asked(request.node.callspec.params["asked"], asked.fake, key)


def unknown(asked: Asked) -> tuple[str, str]:
    """A batch and a file (or what stands for one) that nobody has."""
    batch = UNKNOWN.get(asked.name, "batch_unknown")
    results = f"{asked.fake.url('anthropic')}/v1/messages/batches/{batch}/results"
    return batch, results if asked.name == "anthropic" else NO_FILE.get(asked.name, "file-unknown")


def test_it_is_a_remote(asked: Asked) -> None:
    """Every client has the whole protocol, and says what the executor has to know."""
    client = asked.client
    assert isinstance(client, Remote)
    assert client.name
    assert client.dialects
    assert client.limits.size > 0
    assert client.limits.requests is None or client.limits.requests >= 50_000
    # A provider that keeps no tag and takes no file needs ids that show whose batch it is.
    assert client.tags or client.takes_file or client.numbers_ids


def test_the_account_is_whose_batches_these_are(asked: Asked, request: pytest.FixtureRequest) -> None:
    """It is the same each time, differs by key and by address, and holds nothing of the key."""
    same, other = again(asked, request, "test-key"), again(asked, request, CANARY)
    moved = attrs.evolve(asked.client.origin, base_url="https://elsewhere.example")  # type: ignore[attr-defined]
    assert same.client.account == asked.client.account
    assert other.client.account != asked.client.account
    assert re.fullmatch(r"[0-9a-f]{8,}", asked.client.account)
    assert CANARY[:12] not in f"{other.client!r} {other.client.account} {moved!r}"
    for each in (same, other):
        each.wire.close()


def test_a_list_of_many_pages(asked: Asked) -> None:
    """A list is read to its end, each batch once, whatever the size of a page."""
    asked.fake.gemini.switches.most_running = MANY + 1
    file_id = asked.upload(1)
    made, halfway = [], 0.0
    for number in range(MANY):
        asked.fake.clock.advance(10.0)
        halfway = asked.fake.clock.now if number == MANY // 2 else halfway
        made.append(asked.create(1, file_id).batch_id)
    found = [batch.batch_id for batch in asked.client.batches(asked.wire)]
    recent = [batch.batch_id for batch in asked.client.batches(asked.wire, halfway)]

    assert sorted(found) == sorted(made)
    assert len(recent) == len(set(recent))
    assert set(made[MANY // 2 :]) <= set(recent)


def test_lists_are_read_as_they_are_wanted(asked: Asked) -> None:
    """Nothing is asked before the first batch is wanted, and no further page than wanted."""
    asked.submit()
    before = asked.fake.calls.count("list")
    pages = asked.client.batches(asked.wire)
    assert asked.fake.calls.count("list") == before
    next(pages)
    assert asked.fake.calls.count("list") == before + 1


def test_files_are_listed_and_removed(asked: Asked) -> None:
    """Every upload is listed under its name with its size; a file can be removed twice."""
    if asked.name == "openrouter":
        # What it keeps are batches, which are listed and removed as files once they have ended.
        ended, running = asked.end_of(asked.submit()), asked.submit()
        assert [file.file_id for file in asked.client.files(asked.wire)] == [ended.batch_id]
        for _ in range(2):
            asked.client.delete_file(asked.wire, ended.batch_id)
        with pytest.raises(CallRefused):
            asked.client.delete_file(asked.wire, running.batch_id)
        assert [each.batch_id for each in asked.client.batches(asked.wire)] == [running.batch_id]
        return
    if not asked.client.takes_file:
        with pytest.raises(CallRefused):
            asked.client.delete_file(asked.wire, "anything")
        assert list(asked.client.files(asked.wire)) == []
        return
    made = {asked.upload(number + 1): asked.source(number + 1).size for number in range(12)}
    found = {file.file_id: file for file in asked.client.files(asked.wire)}

    assert {file_id: file.size for file_id, file in found.items()} == made
    assert all(INTENT in file.name for file in found.values())
    first, second, *_ = [file_id for file_id in made if file_id]
    for file_id in (first, first, second):
        asked.client.delete_file(asked.wire, file_id)
    assert len(list(asked.client.files(asked.wire))) == 10


def test_what_nobody_knows(asked: Asked) -> None:
    """An unknown batch or file is not there; to remove an unknown file is to have removed it."""
    batch, file_id = unknown(asked)
    asks: tuple[Callable[[], object], ...] = (
        lambda: asked.client.status(asked.wire, batch),
        lambda: asked.client.cancel(asked.wire, batch),
        lambda: asked.client.download(asked.wire, file_id, Memory()),
    )
    for ask in asks:
        with pytest.raises(NotThere):
            ask()
    if asked.client.takes_file:
        asked.client.delete_file(asked.wire, file_id)


def test_a_wrong_key_is_refused_everywhere(asked: Asked, request: pytest.FixtureRequest) -> None:
    """Whatever is asked, a wrong key is said to be one, in words that do not hold it; nothing happened."""
    asked.fake.script()
    made = asked.submit()
    batch = asked.end_of(made)
    wrong = again(asked, request, CANARY)
    client, wire = wrong.client, wrong.wire
    asks: list[Callable[[], object]] = [
        lambda: client.status(wire, made.batch_id),
        lambda: list(client.batches(wire)),
        lambda: client.cancel(wire, made.batch_id),
        lambda: client.download(wire, batch.files[Role.OUTPUT], Memory()),
        lambda: wrong.create(3, made.input_file_id),
    ]
    if client.takes_file:
        asks += [
            lambda: client.upload(wire, wrong.source(1), "x.jsonl"),
            lambda: list(client.files(wire)),
            lambda: client.delete_file(wire, made.input_file_id or ""),
        ]
    created = len(asked.fake.batches)
    for ask in asks:
        with pytest.raises(KeyRefused) as caught:
            ask()
        assert CANARY[:12] not in str(caught.value)
    assert len(asked.fake.batches) == created
    wire.close()


REPLIES = {
    "400": (Refuse(400, "no"), CallRefused),
    "404": (Refuse(404, "no"), CallRefused),
    "413": (Refuse(413, "no"), CallRefused),
    "429": (Refuse(429, "full"), Later),
    "500": (Refuse(500, "oops"), Uncertain),
    "503": (Refuse(503, "oops"), Uncertain),
    "529": (Refuse(529, "oops"), Uncertain),
    "408": (Refuse(408, "slow"), Uncertain),
    "409": (Refuse(409, "busy"), Uncertain),
    "reset": (Reset(), Uncertain),
    "reset-midway": (Reset("middle"), Uncertain),
    "reply-lost": (ReplyDropped(), Uncertain),
    "redirect": (Reply(307, headers={"location": "https://elsewhere.example/"}), Uncertain),
    "page": (Reply(200, b"<html>hello</html>", "text/html"), Uncertain),
    "nothing": (Reply(204), Uncertain),
    "empty": (Reply(200, b"{}"), Uncertain),
    "cut-json": (Reply(200, b'{"id": "batch'), Uncertain),
}


@pytest.mark.parametrize("reply", REPLIES)
def test_a_create_is_sent_once(asked: Asked, reply: str) -> None:
    """Whatever comes back, a create is one call; it is either surely not done, or uncertain."""
    fault, error = REPLIES[reply]
    file_id = asked.upload()
    asked.fake.fault("create", fault, times=None)  # type: ignore[arg-type]
    with pytest.raises(error):
        asked.create(3, file_id)

    assert asked.fake.calls.count("create") == 1
    assert len(asked.fake.batches) == (1 if reply == "reply-lost" else 0)


def test_a_client_keeps_nothing(asked: Asked, request: pytest.FixtureRequest) -> None:
    """What one client has made, another of the same account asks for and cancels."""
    made = asked.submit()
    twin = again(asked, request, "test-key")

    assert (twin.client.name, twin.client.account) == (asked.client.name, asked.client.account)
    assert twin.client.status(twin.wire, made.batch_id).batch_id == made.batch_id
    if twin.client.cancels:
        twin.client.cancel(twin.wire, made.batch_id)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        twin.client.account = "x"  # type: ignore[misc]
    twin.wire.close()


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_is_not_ready_makes_no_batch(asked: Asked, times: int) -> None:
    """`is_ready` says no as long as the provider is processing, and yes from then on."""
    if not asked.client.takes_file:
        assert asked.client.is_ready(asked.wire, "anything")
        return
    switches = asked.fake.dialects[asked.name].switches  # type: ignore[attr-defined]
    if not hasattr(switches, "ready"):
        times = 0
    else:
        switches.ready = times
    file_id = asked.client.upload(asked.wire, asked.source(1), f"batch_input_{INTENT}.jsonl")
    told = [asked.client.is_ready(asked.wire, file_id) for _ in range(times + 2)]
    assert told == sorted(told)
    assert told[-1]
