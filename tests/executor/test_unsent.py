"""A create that never left leaves nothing in doubt."""

from __future__ import annotations

from pathlib import Path

import attrs
import msgspec
import pytest

from reconciler.model.report import State
from reconciler.providers.gemini import Gemini
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.registry import make
from reconciler.testing import FakeProvider
from tests.online import Online, put_input
from tests.stopping import client_of
from tests.workspace.faults import Crash
from tests.workspaces import request

LINE = {"key": "r-1", "request": {"contents": [{"role": "user", "parts": [{"text": "2+2?"}]}]}}


@pytest.fixture
def online(tmp_path: Path, fake_provider: FakeProvider) -> Online:
    """A workspace whose provider wants a model, and has none."""
    options = ProviderOptions(base_url=fake_provider.url("gemini"))
    client = make("gemini", options, {"GEMINI_API_KEY": fake_provider.key})
    assert isinstance(client, Gemini)
    (tmp_path / "workdir").mkdir()
    put_input(tmp_path, [LINE])
    fake_provider.clock.advance(60.0)
    return Online(tmp_path, fake_provider, client)


def record_of(online: Online) -> dict[str, object]:
    """The metadata of the batch."""
    return msgspec.json.decode((online.root / "workdir/batch_metadata_1.jsonl").read_bytes(), type=dict)


def test_what_kept_a_create_from_leaving_is_told(online: Online) -> None:
    """Without its model nothing is sent: the upload stands, nothing is looked for, and why is said."""
    (batch,) = online.run().batches
    record = record_of(online)

    assert "no model for the batch" in batch.because
    assert record["state"] == "uploaded"
    assert online.creates() == 0

    gemini = online.client
    assert isinstance(gemini, Gemini)
    mended = attrs.evolve(online, client=attrs.evolve(gemini, model="gemini-flash"))
    mended.wait()
    assert online.creates() == 1
    assert (online.root / "done/1/manifest.json").is_file()


def at_openai(tmp_path: Path, fake: FakeProvider, *numbers: int) -> Online:
    """A workspace with so many requests and a provider that takes them."""
    (tmp_path / "workdir").mkdir()
    put_input(tmp_path, [request(n) for n in numbers])
    fake.clock.advance(60.0)
    return Online(tmp_path, fake, client_of("openai", fake))


def test_an_input_that_is_not_the_one_that_was_begun_is_not_sent(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """Changed between intent and create, it is told; put back, it is sent, once."""
    online = at_openai(tmp_path, fake_provider, 0, 1)
    with pytest.raises(Crash):
        attrs.evolve(online, tap=_before_upload).run()
    path = tmp_path / "workdir/batch_input_1.jsonl"
    known = path.read_bytes()
    put_input(tmp_path, [request(0), request(7)])
    fake_provider.clock.advance(60.0)

    found = online.run().batch("1")
    assert found.state is State.ATTENTION
    assert found.because == (
        "workdir/batch_input_1.jsonl is not the input that its metadata knows; nothing was sent"
    )
    assert found.hint == "put that input back; another one needs a name of its own"
    assert (online.heard.exchanges, online.creates()) == ([], 0)

    path.write_bytes(known)
    fake_provider.clock.advance(60.0)
    online.wait()
    assert online.creates() == 1
    assert (tmp_path / "done/1/batch_input_1.jsonl").read_bytes() == known


def _before_upload(change: str, _path: str) -> None:
    """The process is gone before the first call that changes anything there."""
    if change.startswith("POST"):
        raise Crash


def test_without_its_intent_nothing_is_created(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A create without a mark could never be found again, so metadata that lost it needs a person."""
    online = at_openai(tmp_path, fake_provider, 0)
    with pytest.raises(Crash):
        attrs.evolve(online, tap=_before_upload).run()
    path = tmp_path / "workdir/batch_metadata_1.jsonl"
    known = path.read_bytes()
    record = record_of(online)
    del record["intent"]
    path.write_bytes(msgspec.json.encode(record) + b"\n")

    found = online.run().batch("1")
    assert found.state is State.ATTENTION
    assert found.because == (
        "workdir/batch_metadata_1.jsonl lacks what its submission needs; nothing was created"
    )
    assert found.hint == "put it back as it was"
    assert online.creates() == 0

    path.write_bytes(known)
    online.wait()
    assert online.creates() == 1
