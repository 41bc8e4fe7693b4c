"""The product's entry points that benches call, in one place: when one of them changes, it changes here."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from reconciler.choices import Prepared
from reconciler.codec.request import decode_request
from reconciler.config import settle
from reconciler.engine import reconcile
from reconciler.executor.answers import places
from reconciler.executor.context import Context, View, viewing
from reconciler.executor.executor import execute
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.executor.matching import match
from reconciler.executor.publishing import publish_results
from reconciler.executor.reading import Lines
from reconciler.model.coverage import Coverage, FileDigest, Tally, hash_id
from reconciler.model.exchange import Request
from reconciler.model.facts import Expects, FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import AnswerHere
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.record import InputFact, Record
from reconciler.model.report import Report
from reconciler.model.snapshot import Matched
from reconciler.model.triple import Shape, shape_of
from reconciler.planner import plan_at_a_glance
from reconciler.processors.results import Origin
from reconciler.providers.calls import Origin as Address
from reconciler.providers.calls import Secret
from reconciler.providers.echo import echo
from reconciler.providers.http import Http
from reconciler.providers.http_settings import HttpSettings
from reconciler.providers.local import Local
from reconciler.providers.openai import OpenAI
from reconciler.session import Options, Unwatched, session
from reconciler.watching.rounds import Ground, Watch
from reconciler.watching.running import Bell, drive
from reconciler.watching.seeing import Observing
from reconciler.workspace import metadata
from reconciler.workspace.observe import glance
from reconciler.workspace.scan import scan

_POLICY = Policy()


class Clock(Protocol):
    """A clock that others move."""

    @property
    def now(self) -> float:
        """Seconds since the epoch."""

    def advance(self, seconds: float) -> None:
        """Let time pass."""


_TRIPLE = (Role.INPUT, Role.OUTPUT, Role.ERROR)


@contextmanager
def looking(workspace: Path) -> Iterator[View]:
    """The workspace as `reconcile plan` sees it."""
    with viewing(str(workspace), settle()) as view:
        yield view


@contextmanager
def locked(workspace: Path) -> Iterator[Context]:
    """The workspace as a pass holds it."""
    with session(str(workspace), settle(), Options()) as held:
        yield held.ctx


def shapes(view: View) -> dict[BatchName, Shape]:
    """One scan, down to the shape of each batch."""
    listing = scan(view.look, view.layout)
    return {name: shape_of(roles) for name, roles in listing.batches.items()}


def first_look(view: View) -> list[Plan | None]:
    """One scan, and for each batch its metadata and the plan that follows from what is seen at a glance."""
    listing = scan(view.look, view.layout)
    seen = (glance(view.look, view.layout, listing, name) for name in listing.batches)
    return [plan_at_a_glance(each, _POLICY) for each in seen]


def triple(view: View, name: str) -> dict[Role, FileFact]:
    """The files of a live batch as they are now."""
    found = {role: view.look.fact(view.layout.live_path(file_name(role, name))) for role in _TRIPLE}
    return {role: fact for role, fact in found.items() if fact is not None}


def match_ids(view: View, name: str) -> None:
    """
    Match the ids of one batch, as those do who need no digest of its files.

    Raises:
        ValueError: They do not match, which no data set is made for.
    """
    files = triple(view, name)
    answers = places(view, files, None)
    if not answers.complete or any(answers.failed):
        raise ValueError(f"the ids of {name} do not match")


def verdict(view: View, name: str) -> Matched:
    """
    Match one batch.

    Raises:
        ValueError: Its ids do not match, which no data set is made for.
    """
    matched = match(view, triple(view, name), None)
    if matched.coverage is None or not matched.coverage.balanced:
        raise ValueError(f"the ids of {name} do not match")
    return matched


def publish(ctx: Context, name: str, known: Matched | None = None) -> Path:
    """Publish the results of one batch whose ids match; *known* is what matching has learned of it."""
    origin = Origin(BatchName(name), None, 1)
    published = publish_results(ctx, triple(ctx, name), origin, lambda _hashed, _place: None, known)
    return Path(ctx.layout.root) / str(published["path"])


def answering(
    workspace: Path, name: str, worker: Callable[..., object], concurrency: int
) -> Callable[[], Mapping[str, object]]:
    """The step that answers a batch in this process, from its input to both answer files; gives its facts."""

    def work() -> Mapping[str, object]:
        hooks = Hooks(providers={"local": Local(worker, concurrency)})  # type: ignore[arg-type]  # as users hand it over
        options = Options(plugged=Plugged(lambda _name: hooks))
        with session(str(workspace), settle(flags={"provider.name": "local"}), options) as held:
            record = held.ctx.record(BatchName(name))
            fact = triple(held.ctx, name)[Role.INPUT]
            expects = Expects({Role.INPUT: fact}, None if record is None else record.generation)
            step = AnswerHere(BatchName(name), expects=expects)
            done = execute(Plan(BatchName(name), "", (step,)), held.ctx)
        if done.failure is not None:
            raise done.failure
        return done.receipts[0].facts

    return work


def stopped_after(workspace: Path, count: int, concurrency: int) -> None:
    """Answer the batches of a workspace here until about so many requests have ended."""
    called: list[None] = []

    async def worker(request: Request) -> Mapping[str, object]:
        called.append(None)
        return await echo(request)

    hooks = Hooks(providers={"local": Local(worker, concurrency)})
    options = Options(plugged=Plugged(lambda _name: hooks), stopping=lambda: len(called) >= count)
    flags = {"provider.name": "local", "policy.settle_seconds": 0}
    reconcile(str(workspace), settle(flags=flags), options)


@contextmanager
def requests_of(workspace: Path, name: str) -> Iterator[Iterator[Request]]:
    """The requests of a batch, read as they are wanted."""
    with looking(workspace) as view:
        fact = triple(view, name)[Role.INPUT]
        yield (decode_request(line, fact.path) for line in Lines(view, fact))


def settled_record(name: str, digests: Mapping[Role, tuple[str, int]], answered: str, failed: str) -> bytes:
    """The metadata of a batch that was matched: one request was answered, one ran into a rate limit."""
    parts = [Tally.of([hash_id(custom_id)]) for custom_id in (answered, failed)]
    kept = {role: FileDigest(*digest) for role, digest in digests.items()}
    coverage = Coverage(
        input=parts[0] + parts[1],
        answered=parts[0],
        failed=parts[1],
        by_class={ErrorClass.RATE_LIMIT: parts[1]},
        digests=kept,
    )
    fact = InputFact(kept[Role.INPUT], coverage.input.requests)
    return metadata.encode(Record(BatchName(name), generation=1, input=fact, coverage=coverage))


def command(*words: str | Path) -> list[str]:
    """The command line of the product: the script that pip put beside this very Python, if it did."""
    script = Path(sys.executable).with_name("reconcile")
    own = [str(script)] if script.is_file() else [sys.executable, "-m", "reconciler"]
    return [*own, *map(str, words)]


def environment(home: Path) -> dict[str, str]:
    """The environment of a user who has set nothing, with *home* as the place of settings."""
    # Users have their modules compiled; a developer may not want to.
    unset = ("RECONCILER_", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(unset)}
    return {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}


def asked_online(
    workspace: Path, base_url: str, key: str, clock: Clock, delay: float
) -> Callable[[], Report]:
    """One pass that asks OpenAI, or who stands for it, in the time of *clock*; connections stay open."""
    origin = Address("openai", base_url, {}, {"Authorization": Secret(f"Bearer {key}")})
    hooks = Hooks(providers={"openai": OpenAI(origin, "bench")})

    def pause(seconds: float, _stopping: Callable[[], bool]) -> None:
        clock.advance(seconds)

    def now() -> float:
        return clock.now

    options = Options(
        plugged=Plugged(lambda _name: hooks),
        pause=pause,
        clock=now,
        wire=lambda: Http(pause, HttpSettings(spacing=delay), clock=now, now=now),
    )
    flags = {"provider.name": "openai", "provider.per_batch_delay": delay}
    return lambda: reconcile(str(workspace), settle(flags=flags), options)


class Watched:
    """What a watcher did for each batch, and when, as `time.perf_counter` counts."""

    def __init__(self) -> None:
        self.planned_at: dict[str, float] = {}
        self.settled: set[str] = set()
        self.passes = 0
        self._changed = threading.Condition()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something to have been done."""
        with self._changed:
            if not self._changed.wait_for(holds, 600):
                raise TimeoutError

    def tell(self, level: str, event: str, workspace: str = "", **facts: object) -> None:  # noqa: ARG002 - Tell
        """An event of the watcher."""
        with self._changed:
            self.passes += event == "pass.ended"
            if event == "batch.settled":
                self.settled.add(str(facts["batch"]))
            self._changed.notify_all()

    def until_planned(self, name: str) -> float:
        """Wait for the first plan of a batch; when it was made."""
        self.until(lambda: name in self.planned_at)
        return self.planned_at[name]

    def until_settled(self, name: str) -> None:
        """Wait for a batch to settle."""
        self.until(lambda: name in self.settled)

    def note(self, decision: Plan) -> None:
        """A batch got a plan."""
        with self._changed:
            self.planned_at.setdefault(decision.name, time.perf_counter())
            self._changed.notify_all()


class _Planned(Unwatched):
    """Passes plans on."""

    def __init__(self, note: Callable[[Plan], None]) -> None:
        self._note = note

    def planned(self, decision: Plan) -> None:
        """A batch got a plan that has steps."""
        self._note(decision)


@contextmanager
def watched(workspace: Path, quiet: float, observer: str = "events") -> Iterator[Watched]:
    """A workspace that is watched, in a thread as `reconcile watch` does; its first pass is over."""
    found, bell, over = Watched(), Bell(), threading.Event()
    settings = settle(flags={"watch.quiet_seconds": quiet})
    ready = Prepared(str(workspace), settings, Plugged(lambda _name: Hooks()))

    @contextmanager
    def listening(_ready: Prepared) -> Iterator[Options]:
        yield Options(watcher=_Planned(found.note), stopping=over.is_set)

    ground = Ground(
        load=lambda: ready,
        listening=listening,
        sight=lambda _ready: Observing(observer),
        tell=found.tell,
        clock=time.time,
        chance=lambda: 0.5,
        wake=bell.ring,
    )
    watch = Watch(str(workspace), ground)
    thread = threading.Thread(target=drive, args=(watch, bell.wait, over.is_set, time.time))
    thread.start()
    try:
        found.until(lambda: found.passes > 0)
        yield found
    finally:
        over.set()
        bell.ring()
        thread.join()
