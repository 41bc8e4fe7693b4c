"""
The network fault matrix: each fault, with each kind of call, once, several times, and until it is over.

Real HTTP against the fake provider; every wait moves its clock and takes no time. In every cell: no second
create that counts, inputs as they were, only whole files under their final names, and once the fault is over
three passes reach what the table in `faults.py` says.
"""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Final

import pytest

from reconciler.decide import dismiss
from reconciler.decide_online import cancel, resubmit
from reconciler.errors import ReconcilerError
from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import Fault, ReplyDropped
from tests.faults import CELLS, FAULTS, KINDS, RULES, TIMES, Cell, Detour, Elsewhere, Rule, expected, when
from tests.five import HURRY, NUMBERED, SIX, number_of, online, quick
from tests.online import Online
from tests.workspaces import leftovers, live, record, results, scratch

SAMPLE: Final = 60
"""Cells of a normal run; a slow one takes all of them, at each provider."""

SEED: Final = 20261121
HOUR: Final = 3600.0
REQUESTS: Final = 12


class Broken(AssertionError):
    """A law does not hold."""


def demand(kept: object, law: str, cell: Cell, name: str) -> None:
    """Hold a cell to a law."""
    if not kept:
        raise Broken(f"{law}: {name}, {cell}")


def effective(fake: FakeProvider) -> int:
    """How many batches will be paid for."""
    return sum(not batch.cancel_asked for batch in fake.batches)


def laws(asked: Online, cell: Cell, sent: bytes) -> None:
    """What holds after every pass, fault or no fault."""
    root, name = asked.root, asked.client.name
    most = 2 if expected(cell, name).end == "spare" else 1
    demand(effective(asked.fake) <= most, "one create that counts", cell, name)
    demand(asked.creates() <= (2 if cell.fault == "twice" else 1), "one create", cell, name)
    places = [live(root) / "batch_input_1.jsonl", root / "done/1/batch_input_1.jsonl"]
    inputs = [path.read_bytes() for path in places if path.exists()]
    demand(inputs and all(data == sent for data in inputs), "inputs unchanged", cell, name)
    demand(not leftovers(root), "no temporary file", cell, name)
    for path in [*live(root).glob("batch_[oe]*"), *(root / "done").glob("*/batch_[oe]*")]:
        data = path.read_bytes()
        demand(data.endswith(b"\n") or not data, f"{path.name} is whole", cell, name)
        for line in data.splitlines():
            demand(isinstance(json.loads(line), dict), f"{path.name} is whole", cell, name)


def play(fake: FakeProvider, name: str, cell: Cell, root: Path) -> None:
    """
    One cell: three passes with the fault, three without.

    Raises:
        Broken: A law does not hold, or the end is not the one in the table.
    """
    fake.reset()
    fake.clock.advance(60)
    fake.gemini.switches.cancelled_output = True
    asked = online(root, fake, name, REQUESTS)
    sent = (live(root) / "batch_input_1.jsonl").read_bytes()
    with quick(fake, reply=HURRY * 0.2, cuts=5) as http:
        asked.wire = lambda: http
        fate = Fate(polls=1000) if cell.kind == "cancel" else Fate(polls=0)
        fake.script(fate)
        if cell.kind == "cancel":
            asked.run()
        elif cell.kind == "list":
            # Lists are read where a create has lost its reply.
            fake.fault("create", ReplyDropped(), times=1)
        start(asked, cell, http)
        for _ in range(3):
            stop(asked, cell)
            asked.run(poll_seconds=60.0)
            fake.clock.advance(60)
            laws(asked, cell, sent)
        fake.faults.clear()
        asked.wire = lambda: http
        over(asked, cell, sent)


def start(asked: Online, cell: Cell, http: object) -> None:
    """From here on the fault is there."""
    fake, fault = asked.fake, FAULTS[cell.fault]
    if isinstance(fault, Elsewhere):
        elsewhere = fault.base_url.format(port=fake.port)
        detour = Detour(http, fake.url(), cell.kind, elsewhere, when(cell)["times"])  # type: ignore[arg-type]
        asked.wire = lambda: detour
    else:
        plant(fake, cell, fault)


def plant(fake: FakeProvider, cell: Cell, fault: Fault) -> None:
    """Let the fault happen to the calls of a cell."""
    fake.fault(cell.kind, fault, **when(cell))  # type: ignore[arg-type]


def stop(asked: Online, cell: Cell) -> None:
    """A person asks for the end of the batch, where that is what the cell is about."""
    if cell.kind == "cancel" and (live(asked.root) / "batch_metadata_1.jsonl").exists():
        with contextlib.suppress(ReconcilerError):
            asked.decide(cancel)


def over(asked: Online, cell: Cell, sent: bytes) -> None:
    """The fault is over: three passes, and the end."""
    name = asked.client.name
    rule = expected(cell, name)
    stop(asked, cell)
    for _ in range(3):
        asked.fake.clock.advance(HOUR)
        report = asked.run()
        laws(asked, cell, sent)
    if rule.end in ("doubt", "refused"):
        told, state = report.batch("1").state, record(asked.root, "1")["state"]
        ends = {"doubt": (State.HELD, "creating"), "refused": (State.ATTENTION, "rejected")}
        demand(report.exit_code == 3 and (told, state) == ends[rule.end], rule.end, cell, name)
        demand(asked.creates() == 0, "nothing was created", cell, name)
        asked.decide(resubmit)
        asked.run()
        report = asked.run()
        laws(asked, cell, sent)
    if cell.kind == "cancel" and any("a person stopped" in each.because for each in report.batches):
        # Gemini says nothing of requests that never ran: a person gives up what a person has stopped.
        asked.decide(dismiss)
        report = asked.run()
    done = asked.root / "done/1/manifest.json"
    demand(report.exit_code == 0 and done.exists(), f"done (now {report.batches})", cell, name)
    found = [number_of(line["custom_id"]) for line in results(asked.root, "1")]
    demand(found == list(range(1, REQUESTS + 1)), "every request has its line", cell, name)
    paid = {"cancel": 0}.get(cell.kind, 2 if rule.end == "spare" else 1)
    demand(effective(asked.fake) == paid, "paid once", cell, name)


def cells_of(names: tuple[str, ...]) -> list[tuple[str, Cell]]:
    """Every cell at each provider; one without uploads, or without a cancel, has none of theirs."""
    return [
        (name, cell)
        for name in names
        for cell in CELLS
        if not (name in NUMBERED and cell.kind == "upload")
        and not (name == "openrouter" and cell.kind == "cancel")
    ]


def run_all(fake: FakeProvider, cells: list[tuple[str, Cell]]) -> int:
    """
    Play cells, and name those that did not end as the table says.

    Returns:
        How many there were.
    """
    broken = []
    for name, cell in cells:
        try:
            with scratch() as folder:
                play(fake, name, cell, folder / "ws")
        except Exception as error:  # noqa: BLE001 - all cells are played; the broken ones are told at the end
            broken.append(f"{name} {cell}: {type(error).__name__}: {error}"[:600])
    assert not broken, f"{len(cells)} cells, {len(broken)} broken:\n" + "\n".join(broken)
    return len(cells)


def test_the_table_speaks_of_every_cell() -> None:
    """Each cell has a rule, and each rule has cells."""
    first: dict[Rule, int] = dict.fromkeys(RULES, 0)
    for name in SIX:
        for cell in CELLS:
            first[expected(cell, name)] += 1
    assert all(first.values())
    assert len(CELLS) == len(FAULTS) * len(KINDS) * len(TIMES)


def test_a_sample_of_the_matrix(fake_provider: FakeProvider) -> None:
    """Some cells of every fault and kind end as the table says, and keep the laws on the way."""
    cells = random.Random(SEED).sample(cells_of(SIX), SAMPLE)
    run_all(fake_provider, cells)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIX)
def test_the_whole_matrix(fake_provider: FakeProvider, name: str) -> None:
    """All cells end as the table says, and keep the laws on the way."""
    run_all(fake_provider, cells_of((name,)))
