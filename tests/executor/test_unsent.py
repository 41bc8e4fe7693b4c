"""A create that never left leaves nothing in doubt."""

from __future__ import annotations

from pathlib import Path

import attrs
import msgspec
import pytest

from reconciler.providers.gemini import Gemini
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.registry import make
from reconciler.testing import FakeProvider
from tests.online import Online, put_input

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
