"""
What the provider of a simulated world does: what becomes of requests and batches, what goes wrong with calls.

What becomes of a request is its own, whatever batch it is sent in, so that a world with faults can be held to
what one without them comes to.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import attrs

from reconciler.testing import FakeProvider
from reconciler.testing.fates import OK, TWICE, Fate, Outcome, expired
from reconciler.testing.faults import Cut, Fault, LateEffect, Refuse, ReplyDropped, Reset
from reconciler.testing.records import Kind
from reconciler.testing.world import Batch

FAULTS: Final[tuple[tuple[Kind, Fault], ...]] = (
    ("create", ReplyDropped()),
    ("create", LateEffect(calls=3)),
    ("create", LateEffect(seconds=300.0)),
    ("create", Refuse(429, "slow down")),
    ("create", Refuse(400, "no such model", "model_not_found")),
    ("create", Reset()),
    ("upload", ReplyDropped()),
    ("get", Refuse(500)),
    ("get", ReplyDropped()),
    ("list", Refuse(503)),
    ("cancel", Refuse(400, "not yours to stop", "cannot_cancel")),
    ("cancel", ReplyDropped()),
    ("download", Cut(40)),
    ("download", Cut(40, "reset")),
    ("download", Refuse(500)),
)

FATES: Final = (
    Fate(),
    Fate(polls=3),
    Fate(shuffle=True),
    Fate(seconds=7200.0),
    Fate(lag=2),
    Fate(late=1),
    Fate(outcomes={}, default=Outcome("http", status=400)),
    expired(1),
    Fate(end="failed"),
    Fate(counts={"completed": 99}),
    Fate(vanishes="batch"),
    Fate(words=("validating", "pondering")),
)

OF_BATCHES: Final = tuple(each for each in FATES if each.default == OK)
"""Those that leave to each request what becomes of it."""

LIES: Final = (
    {"counts": {"completed": 99}},
    {"counts": {"completed": 0, "failed": 0}},
    {"foreign": ("stranger-1",)},
    {"default": TWICE},
    {"words": ("validating", "pondering", "in_progress", "validating")},
    {"late": 2},
    {"shuffle": True},
)
"""What a provider may say that is not so, or not yet so."""

BAD: Final = Outcome("http", status=400)
BUSY: Final = Outcome("http", status=429)

Wish = str
"""`ok` is answered, `bad` fails for good, `busy` fails at its first send, `hopeless` at every one."""

WISHES: Final = ("ok", "bad", "busy", "hopeless")
SENDS: Final = {"ok": 1, "bad": 1, "busy": 2, "hopeless": 3}
"""How often a request is sent where nothing goes wrong and `max_attempts` is 3."""

_KEY: Final = re.compile(rb"hi ([a-z0-9]+-[0-9]+)")


@attrs.define
class Fortunes:
    """
    What the provider does with what it was sent.

    Attributes:
        fake: The provider.
        wishes: What becomes of single requests; the others are answered.
        refusals: How many creates were told to be refused for good.
        outlived: Requests of batches that are older than what providers keep.
    """

    fake: FakeProvider
    wishes: dict[str, Wish] = attrs.field(factory=dict)
    refusals: int = 0
    outlived: set[str] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.fake.default(Fate(choose=self.choose))

    def script(self, fate: Fate) -> None:
        """The next batch has this fate; its requests have their own."""
        self.fake.script(attrs.evolve(fate, choose=self.choose))

    def fault(self, kind: Kind, fault: Fault, times: int) -> None:
        """Something goes wrong with the next calls."""
        if kind == "create" and isinstance(fault, Refuse) and fault.status == 400:
            self.refusals += times
        self.fake.fault(kind, fault, times=times)

    def choose(self, wire: str) -> Outcome | None:
        """What becomes of a request, by its id on the wire."""
        found = self.own(wire)
        match self.wishes.get(found):
            case "bad":
                return BAD
            case "busy" if self.sends()[found] == 1:
                return BUSY
            case "hopeless":
                return BUSY
        return None

    def own(self, wire: str) -> str:
        """The id that users know a request by; every request says it."""
        mark = f'"{wire}"'.encode()
        for batch in reversed(self.fake.batches):
            data = batch.source.path.read_bytes()
            found = _KEY.search(data, data.find(mark)) if mark in data else None
            if found is not None:
                return found[1].decode()
        return wire

    def sends(self) -> Counter[str]:
        """How often each request was sent; what was refused as a whole does not count."""
        found: Counter[str] = Counter()
        for batch in self.fake.batches:
            if batch.stage != "failed":
                found.update(asked(batch))
        return found

    def paid(self) -> Counter[str]:
        """How often each request was answered at the provider, or still may be."""
        found: Counter[str] = Counter()
        for batch in self.fake.batches:
            found.update(replied(batch) if batch.stage in ENDED else asked(batch))
        return found

    # --- batches under way ----------------------------------------------------------------------------------

    @property
    def running(self) -> list[Batch]:
        """Batches that have not ended."""
        return [batch for batch in self.fake.batches if batch.stage not in ENDED]

    def finish(self) -> None:
        """Everything that runs has come to its end at the next look, and is shown wherever it should be."""
        for batch in self.fake.batches:
            batch.hidden = 0
            batch.fate = attrs.evolve(batch.fate, polls=0, seconds=None, words=())
        for late in self.fake.world.pending:
            late.calls = 0

    def wronged(self) -> set[str]:
        """Requests of which the provider said what is not so, or lost what it had."""
        lied = {key for batch in self.fake.batches if _lies(batch) for key in asked(batch)}
        return lied | self.outlived

    def outlive(self) -> None:
        """So much time has gone by that nothing of what is there now need be kept any more."""
        self.outlived |= {key for batch in self.fake.batches for key in asked(batch)}

    def delayed(self) -> set[str]:
        """Requests that the provider has let expire, so that they may be sent more often."""
        return {key for batch in self.fake.batches if batch.fate.end == "expired" for key in asked(batch)}


ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})


def asked(batch: Batch) -> set[str]:
    """The requests of a batch, by the ids that users know them by."""
    return asked_in(batch.source.path.read_bytes())


def asked_in(data: bytes) -> set[str]:
    """The same of the lines of an input."""
    return {key.decode() for key in _KEY.findall(data)}


def replied(batch: Batch) -> set[str]:
    """The requests that a batch has answered."""
    return (
        set()
        if batch.output is None
        else {key.decode() for _, line in batch.output.content.lines() for key in _KEY.findall(line)}
    )


def _lies(batch: Batch) -> bool:
    """Whether the fate of a batch is more than a matter of time and of single requests."""
    fate = batch.fate
    if batch.dialect == "gemini" and (fate.end == "expired" or batch.stage == "cancelled"):
        # It counts what was answered and gives no file: that is never asked again by itself.
        return True
    wrong = fate.vanishes or fate.counts or fate.foreign or fate.default is TWICE
    return bool(wrong) or fate.end == "failed" or fate.late > 1
