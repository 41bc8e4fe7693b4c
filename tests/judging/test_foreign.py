"""
A whole pass, and the rest of the client, against batch servers that nobody here wrote.

`make judges` asks the servers themselves; the plain run gives our client what they answered once, which

    GOLDEN_UPDATE=1 make judges

keeps in `tests/golden_http/`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler.model.report import Report
from reconciler.session import Options
from tests.judging import kept
from tests.judging.foreign import KEY, SERVERS, Server, foreign_tour, results_of
from tests.judging.replaying import Replay
from tests.judging.tape import forward, taped
from tests.judging.tour import client_of

UPDATE: Final = bool(os.environ.get("GOLDEN_UPDATE"))
LIVE: Final = [
    pytest.param("ogx", marks=pytest.mark.judges_ogx),
    pytest.param("aimock", marks=pytest.mark.judges_node),
]


@attrs.define
class Made:
    """Time that only waiting moves."""

    now: float

    def clock(self) -> float:
        """The time."""
        return self.now

    def pause(self, seconds: float, _stopping: object) -> None:
        """Let time pass."""
        self.now += seconds


def check(server: Server, report: Report, root: Path) -> None:
    """Everything became what it should."""
    assert tuple(str(batch.state) for batch in report.batches if batch.name in {"1", "2"}) == server.states
    assert results_of(root) == {f"q-{number}": each for number, each in enumerate(server.results)}
    for batch in report.batches:
        if str(batch.state) == "needs attention":
            assert "model_not_found" in batch.because
            assert "batch_input_2.jsonl:1" in batch.because


@pytest.mark.parametrize("name", LIVE)
def test_a_foreign_server_is_understood(name: str, tmp_path: Path) -> None:
    """Both batches end as they should, each request too; lists, cancel and delete are understood."""
    server = SERVERS[name]
    with server.start(tmp_path) as origin, taped(forward(origin)) as tape:
        base = f"{tape.url}/v1"
        client = client_of("openai", base, KEY, expires_after=0)
        report = foreign_tour(tmp_path / "workspace", client, Options(), server.model)
        said = kept.kept(tape.spoken, base)
    if UPDATE:
        kept.write(name, said)

    check(server, report, tmp_path / "workspace")


@pytest.mark.parametrize("name", list(SERVERS))
def test_what_a_foreign_server_said_is_understood(name: str, tmp_path: Path) -> None:
    """Its answers of then lead our client and codec of today to the same end, by the same requests."""
    server, exchanges = SERVERS[name], kept.read(name)
    replay = Replay(exchanges, "/v1")
    made = Made(next(at for at in map(_created, exchanges) if at))
    with taped(replay) as tape:
        base = f"{tape.url}/v1"
        client = client_of("openai", base, KEY, expires_after=0)
        options = Options(clock=made.clock, pause=made.pause)
        report = foreign_tour(tmp_path, client, options, server.model)

    check(server, report, tmp_path)
    assert kept.kept(tape.spoken, base) == exchanges
    assert replay.left == 0


def _created(exchange: dict[str, Any]) -> float:
    return float(exchange["answered"].get("json", {}).get("created_at", 0))


def test_the_oddities_are_among_what_ogx_said() -> None:
    """A body as a text, a failure without `response`, a last line without end, null for numbers."""
    exchanges = kept.read("ogx")
    lines = [line for each in exchanges for line in each["answered"].get("lines", ())]
    batches = [
        each["answered"]["json"]
        for each in exchanges
        if each["answered"].get("json", {}).get("object") == "batch"
    ]

    assert any(isinstance((line.get("response") or {}).get("body"), str) for line in lines)
    assert any("response" not in line for line in lines)
    assert any(batch["request_counts"] is None for batch in batches)
    assert any(each["answered"].get("unended") for each in exchanges)
    assert {each["answered"]["status"] for each in exchanges} == {200, 404, 409}
    assert any((batch["errors"] or {}).get("data") for batch in batches)
