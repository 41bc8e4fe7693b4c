"""
Stop the world at any effect of a batch on its way through a provider, and look at what is left.

One workspace, one input, one provider; everything is real but time, which is virtual here as there.
"""

from __future__ import annotations

import itertools
import mmap
import os
import re
import signal
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import attrs

from reconciler import decide_online
from reconciler.check import check
from reconciler.model.failure import InDoubt
from reconciler.model.report import BatchReport, Report, State
from reconciler.providers.base import Remote
from reconciler.providers.http import Http
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.plugged import plug
from reconciler.providers.registry import make
from reconciler.session import Options
from reconciler.testing import FakeProvider
from reconciler.testing.fates import Fate, Outcome
from reconciler.testing.faults import Fault, LateEffect, Refuse, ReplyDropped
from reconciler.workspace.effects import Syncs
from reconciler.workspace.together import sync_now
from tests import plugged_provider, workspaces
from tests.online import Online, put_input
from tests.workspace.faults import Crash, Trip
from tests.workspaces import Line, ledger, leftovers, live, record, request, results, scratch, tree

REQUESTS: Final = 4
FAILS: Final = 2
"""The request that fails for good, so that there is an error file too."""

PROVIDERS: Final = ("openai", "azure", "anthropic", "gemini", "mistral", "openrouter")
NUMBERED: Final = ("anthropic", "openrouter")
"""Providers that keep no tag and take no file."""

PLUGGED: Final = "acme"
"""A provider of a user, which stands on nothing but what is public."""

KEYS: Final = (
    "OPENAI_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "MISTRAL_API_KEY",
    "OPENROUTER_API_KEY",
)
NEEDS_MODEL: Final = frozenset({"gemini", "mistral"})

LATE: Final = LateEffect(seconds=30 * 86400.0)
"""A create that lands long after everything else."""

LATER: Final = 900.0
"""Seconds after which what comes late has come."""

DAYS: Final = 2 * 86400.0

CREATES: Final[dict[str, Fault | None]] = {
    "succeeds": None,
    "is-refused": Refuse(400, "no such model", "model_not_found"),
    "is-lost": ReplyDropped(),
    "is-late-by-calls": LateEffect(calls=3),
    "is-late-by-time": LateEffect(seconds=1200.0),
    "is-too-much": Refuse(429, "slow down"),
}
"""What becomes of the create."""

_MOVING: Final = re.compile(
    rb'"(?:created|created_at|createTime|id|request_id|responseId)": ?("[^"]*"|[0-9.]+),?'
)


def client_of(name: str, fake: FakeProvider, key: str = "") -> Remote:
    """The real client of a provider, for the fake one."""
    if name == PLUGGED:
        options = ProviderOptions(base_url=fake.url("openai"))
        client = plug(name, plugged_provider.make, options, {"ACME_API_KEY": key or fake.key})
        assert isinstance(client, Remote)
        return client
    return client_at(name, fake.url(name), key or fake.key)


def client_at(name: str, url: str, key: str) -> Remote:
    """The real client of a provider, for what answers at *url*."""
    options = ProviderOptions(base_url=url, model="m" if name in NEEDS_MODEL else "")
    client = make(name, options, dict.fromkeys(KEYS, key))
    assert isinstance(client, Remote)
    return client


def lines_of(provider: str, first: int = 0) -> list[Line]:
    """An input in the provider's own shape; ids are `q-<n>`."""
    numbers = range(first, first + REQUESTS)
    asked = [{"role": "user", "content": "hi"}]
    match provider:
        case "anthropic":
            params = {"model": "m", "max_tokens": 9, "messages": asked}
            return [{"custom_id": f"q-{n}", "params": params} for n in numbers]
        case "gemini":
            contents = [{"role": "user", "parts": [{"text": "hi"}]}]
            return [{"key": f"q-{n}", "request": {"contents": contents}} for n in numbers]
        case "mistral":
            return [{"custom_id": f"q-{n}", "body": {"messages": asked}} for n in numbers]
        case _:
            return [request(n) for n in numbers]


def fate_of(provider: str, **more: Any) -> Fate:
    """One request fails for good, the others are answered."""
    refused = Outcome("http", status=400, code="invalid_request_error")
    wrong = f"q-{FAILS}"
    # On their wire an id is the mark of an intent, and a number from 1.
    choose = (
        (lambda found: refused if found.endswith(f"-{FAILS + 1}") else None) if provider in NUMBERED else None
    )
    return Fate(outcomes={} if choose else {wrong: refused}, choose=choose, **more)


@attrs.define
class Shared(Online):
    """
    As any, but with one room for the calls of all passes: to make one takes longer than a pass.

    Attributes:
        room: That room; None for one of each pass's own.
        syncs: Brings files and folders to disk.
    """

    room: Http | None = None
    syncs: Syncs = sync_now

    @property
    def options(self) -> Options:
        """What a pass takes."""
        options: Options = Online.options.fget(self)  # type: ignore[attr-defined]
        options = attrs.evolve(options, syncs=self.syncs)
        room = self.room
        if room is None:
            return options
        room.tap = self.tap
        return attrs.evolve(options, wire=lambda: room)


@contextmanager
def begun(provider: str, fake: FakeProvider, create: str = "succeeds", **fate: Any) -> Iterator[Shared]:
    """An input that was never sent, and a provider that does with its create what *create* says."""
    fake.reset()
    fake.clock.advance(60.0)
    fake.default(fate_of(provider, **fate))
    fault = CREATES[create]
    if fault is not None:
        fake.fault("create", fault)
    with scratch() as folder, Http(lambda seconds, _stop: fake.clock.advance(seconds)) as room:
        put_input(folder / "w", lines_of(provider))
        yield Shared(folder / "w", fake, client_of(provider, fake), room=room)


def whole(online: Online) -> Report:
    """From the input to where nothing waits any more."""
    return online.wait(DAYS)


def effects_of(online: Shared, act: Callable[[Shared], object]) -> list[str]:
    """The effects of *act*, which is carried out."""
    trip = Trip()
    act(attrs.evolve(online, tap=trip))
    return [f"{change} {path}" for change, path in trip.seen]


def resubmit(online: Online) -> Any:
    """`reconcile resubmit`."""
    return online.decide(decide_online.resubmit)


def record_of(online: Online) -> dict[str, Any]:
    """The metadata of the batch; empty when there is none."""
    there = (live(online.root) / "batch_metadata_1.jsonl").exists()
    return record(online.root, "1") if there else {}


def crash(online: Shared, point: int, act: Callable[[Shared], object] = whole) -> bool:
    """Do *act* until just before its effect number *point*; whether it got there."""
    with suppress(Crash):
        act(attrs.evolve(online, tap=Trip(at=point)))
        return False
    return True


def kill(online: Shared, point: int, act: Callable[[Shared], object] = whole) -> bool:
    """The same in a process that is killed for good."""

    def dying(effects: int) -> None:
        if effects == point:
            os.kill(os.getpid(), signal.SIGKILL)

    return in_process(online, act=act, tapped=dying) == -signal.SIGKILL


def in_process(
    online: Shared,
    born: Callable[[int], object] = lambda _process: None,
    act: Callable[[Shared], object] = whole,
    tapped: Callable[[int], None] = lambda _effects: None,
) -> int:
    """
    Do *act* in a process of its own, and take over its clock.

    Args:
        online: The workspace.
        born: Told of the process.
        act: What is done.
        tapped: Called in the process before each effect, with its number.

    Returns:
        What the process ended with.
    """
    time = mmap.mmap(-1, 8)
    time[:] = struct.pack("d", online.now())
    child = os.fork()
    if child == 0:
        count = itertools.count(1)

        def tap(_change: str, _path: str) -> None:
            time[:] = struct.pack("d", online.now())
            tapped(next(count))

        code = 99
        with suppress(BaseException):
            act(attrs.evolve(online, tap=tap, room=None))
            code = 0
        os._exit(code)
    born(child)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), "the run itself failed"
    (now,) = struct.unpack("d", time[:])
    online.fake.clock.advance(now - online.now())
    return code


def mended(online: Online) -> BatchReport | None:
    """Passes until nothing waits, also for what arrives there late; None when the batch is in `done/`."""
    online.wait(DAYS)
    if online.fake.world.pending:
        online.fake.clock.advance(LATER)
    return next(iter(online.wait(DAYS).batches), None)


def sound(online: Online, when: str) -> None:
    """What holds at every moment: no promise is broken, no input changed, each intent in history once."""
    root = online.root
    found = check(str(root), workspaces.settings()).findings
    assert [each for each in found if "torn" not in each.what] == [], when
    asked = workspaces.jsonl(lines_of(online.client.name))
    inputs = [*root.rglob("batch_input_1.jsonl")]
    assert inputs, when
    assert {path.read_bytes() for path in inputs} == {asked}, when
    sent = Counter(each["intent"] for each in ledger(root) if each["event"] == "batch.creating")
    assert set(sent.values()) <= {1}, when


def settled(online: Online, when: str) -> None:
    """The batch is in `done/` with every id, and paid for once."""
    assert online.creates() == 1, when
    assert {row["custom_id"] for row in results(online.root, "1")} == {f"q-{n}" for n in range(REQUESTS)}, (
        when
    )
    assert leftovers(online.root) == [], when
    ids = {
        each["batch_id"]
        for each in ledger(online.root)
        if each["event"] in ("batch.submitted", "batch.adopted")
    }
    assert ids == {online.fake.batches[0].id}, when


def in_doubt(online: Online, batch: BatchReport, when: str) -> None:
    """Nothing was created there, nobody can be sure of that, and the report says so and what to do."""
    assert batch.state is State.HELD, (when, batch)
    assert isinstance(batch.failure, InDoubt), when
    assert "reconcile resubmit" in batch.hint, when
    assert "reconcile adopt" in batch.hint, when
    assert online.creates() == 0, when


def ending(online: Online) -> dict[str, Any]:
    """What a run has left, without times, tokens, and the provider's numbers."""
    root, found = online.root, dict[str, Any]()
    for path, data in tree(root).items():
        leaf = path.rpartition("/")[2]
        if leaf.startswith("batch_metadata") or leaf == "ledger.jsonl":
            continue
        found[path] = sorted(_MOVING.sub(b"", data).splitlines()) if leaf != "manifest.json" else b""
    if (root / "done" / "1").is_dir():
        coverage = workspaces.manifest(root, "1")["coverage"]
        found["coverage"] = {key: value for key, value in coverage.items() if key != "digests"}
    events = Counter(each["event"] for each in ledger(root))
    # Whether its id came as an answer or was found later is all the same.
    events["batch.known"] = 1 if events.pop("batch.submitted", 0) + events.pop("batch.adopted", 0) else 0
    found["events"] = dict(events)
    return found
