"""What a provider says went wrong with a whole batch is kept as it said it, and shown."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from reconciler import Workspace
from reconciler.model.record import NOTHING_HEARD
from reconciler.providers.members import batch_error
from reconciler.testing import FakeProvider
from reconciler.testing.fates import LineError, refused
from reconciler.workspace import fields
from tests.five import client_of, line_of
from tests.online import Online, put_input


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A provider that refuses its first batch."""
    fake_provider.script(refused(LineError("bad_line", "no such model", 2, param="body.model")))
    return fake_provider


@pytest.mark.parametrize("name", ["openai", "gemini", "mistral"])
def test_the_whole_object_is_kept(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """In metadata, with members that nobody here reads; `status` and `explain` show it."""
    put_input(tmp_path / "ws", [line_of(name, number) for number in (1, 2)])
    online = Online(tmp_path / "ws", fake, client_of(name, fake))
    online.wait()
    record = json.loads((tmp_path / "ws/workdir/batch_metadata_1.jsonl").read_text())

    kept = record["online"]["error"]

    assert "no such model" in json.dumps(json.loads(kept))
    assert ("body.model" in kept) == (name == "openai")
    workspace = Workspace.open(tmp_path / "ws", provider=name)
    assert [row.error for row in workspace.status().rows] == [kept]
    (life,) = workspace.explain("q-1").lives
    assert [attempt.batch_error for attempt in life.attempts] == [kept]


@pytest.mark.parametrize(
    "reply", [{}, {"errors": None}, {"errors": []}, {"errors": {"object": "list", "data": []}}, {"error": ""}]
)
def test_no_error_is_none(reply: dict[str, object]) -> None:
    """Whatever a provider writes for nothing."""
    assert batch_error(reply) == ""


def test_it_is_bounded_and_read_as_it_was_written() -> None:
    """A provider that repeats one error for a million lines does not fill metadata."""
    kept = batch_error({"errors": ["é" * 10_000_000]})
    assert len(kept) == 4096
    online = attrs.evolve(NOTHING_HEARD, error=kept)
    assert fields.read_online(fields.online_fields(online)) == online
    with pytest.raises(TypeError, match="error"):
        fields.read_online({"error": {"code": 1}})
