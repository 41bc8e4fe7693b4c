"""
`prompt_map`: many prompts in, their answers out; durable, at a rate, each asked once.

Prompts become batches of a workspace, of your own or a cache folder, and the embedded provider answers them.
So what holds for batches holds here: killed at any point, the next call goes on where it was.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Unpack

import attrs

from reconciler.caches import Cache, Known, make_workspace, open_cache
from reconciler.choices import path_of
from reconciler.errors import Interrupted, KeyRefused, UsageError
from reconciler.library import reconcile
from reconciler.model.failure import NoKey
from reconciler.model.report import Report
from reconciler.model.rows import ResultRow, Standing
from reconciler.model.standing import Standing as Progress
from reconciler.prompt_choices import Asking, worker_of
from reconciler.prompting import (
    Answering,
    Ask,
    Prompt,
    asked_as,
    identified,
    listed,
    reader_of,
)

MAX_ATTEMPTS: Final = 8
RETURNS: Final = ("records", "text", "pairs", "dataframe")
ORDERS: Final = ("original", "unique")
_ASKED: Final = (Standing.PENDING, Standing.IN_FLIGHT, Standing.RETRIED)
"""Where a prompt stands that a batch asks, or a retry child of it."""


@attrs.frozen
class PromptRecord:
    """
    What became of one prompt.

    Attributes:
        prompt: The prompt.
        outcome: `answered`, `failed`, or `pending` where the run ended before it.
        text: The answer.
        value: The answer as a value of `response_model`; None without one.
        error: Why it failed, in one line; None unless it did.
        error_class: The class of that, such as `timeout`.
        usage: Token counts in the provider's shape.
        model: The model that answered.
        custom_id: The request in the workspace.
    """

    prompt: Prompt
    outcome: str
    text: str | None = None
    value: Any = None
    error: str | None = None
    error_class: str | None = None
    usage: Mapping[str, Any] | None = None
    model: str | None = None
    custom_id: str = ""


async def prompt_map(
    prompts: Iterable[Prompt],
    *,
    dedupe: bool = True,
    order: str = "original",
    returns: str = "records",
    teardown: bool = False,
    **asking: Unpack[Asking],
) -> Any:
    """
    Ask every prompt, and give back what became of each.

    Args:
        prompts: Texts, or lists of messages.
        dedupe: Ask equal prompts once.
        order: `original`: one record a prompt, in order; `unique`: one for each that differs, in order.
        returns: `records`: `PromptRecord`s; `text`: the answers, None where there is none; `pairs`: prompt
            and answer; `dataframe`: a table of pandas or polars.
        teardown: Remove the cache folder, once every prompt has its answer.
        asking: How they are asked; see `Asking`.

    Raises:
        UsageError: What was given cannot be asked.
        KeyRefused: The key is missing or was refused; what was answered is kept.
        Interrupted: `stopping` asked for an end; likewise.
        ReconciliationFailed: The run ended early for another reason; likewise.
        WorkspaceLocked: Another run works in the same place.
    """
    asked = threading.Event()
    before = asking.get("stopping", lambda: False)
    asking = {**asking, "stopping": lambda: asked.is_set() or before()}
    given = listed(prompts)
    task = asyncio.create_task(
        asyncio.to_thread(
            prompt_map_sync,
            given,
            dedupe=dedupe,
            order=order,
            returns=returns,
            teardown=teardown,
            **asking,
        )
    )
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        # What is under way ends and is kept; only then is the workspace somebody else's.
        asked.set()
        # How it ended is nobody's business any more, and asyncio shall not complain that nobody asked.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        await asyncio.wait([task])
        raise
    return task.result()


def prompt_map_sync(
    prompts: Iterable[Prompt],
    *,
    dedupe: bool = True,
    order: str = "original",
    returns: str = "records",
    teardown: bool = False,
    **asking: Unpack[Asking],
) -> Any:
    """The same where no loop runs; see `prompt_map`."""
    _refuse_unknown(order, returns, asking)
    named = list(identified(listed(prompts), dedupe=dedupe))
    ask, worker = worker_of(asking)
    cache = _opened(asking, ask)
    records: dict[str, PromptRecord] = {}
    if named:
        known = _run(named, ask, worker, cache, asking)
        records = _records(named, known, asking.get("response_model"))
    wanted = named if order == "original" else list(dict(named).items())
    found = [records[name] for name, _ in wanted]
    if teardown and "workspace" not in asking and all(each.outcome == "answered" for each in found):
        cache.remove()
    return _returned(found, returns)


def _refuse_unknown(order: str, returns: str, asking: Asking) -> None:
    """Hold what was given to being known."""
    for word, value, known in (("order", order, ORDERS), ("returns", returns, RETURNS)):
        if value not in known:
            raise UsageError(f"{word}={value!r:.40}", hint=f"known: {', '.join(known)}")
    unknown = sorted(set(asking) - Asking.__annotations__.keys())
    if unknown:
        raise UsageError(f"unknown: {', '.join(unknown)}", hint=f"known: {', '.join(Asking.__annotations__)}")


def _opened(asking: Asking, ask: Ask) -> Cache:
    """Where the batches of this call are."""
    workspace = asking.get("workspace")
    if workspace is None:
        return open_cache(asking.get("cache_dir"), ask.key)
    return Cache(make_workspace(path_of("workspace", workspace)), f"prompts-{ask.key[:12]}")


def _run(
    named: Sequence[tuple[str, Prompt]], ask: Ask, worker: Answering, cache: Cache, asking: Asking
) -> Known:
    """Ask what has no answer yet; what is known then."""
    known = cache.known()
    wanted = _wanted(named, known)
    if wanted:
        # Another call may have asked some of it since.
        cache.add(lambda known: (ask.line(*each) for each in _wanted(named, known).items()))
    waiting = any(row.outcome in _ASKED for row, _ in known.values())
    if wanted or waiting:
        report = _passed(cache, worker, asking)
        if report.exit_code == Interrupted.exit_code:
            raise Interrupted("interrupted; what was answered is kept")
        for failure in report.failures:
            if isinstance(failure, NoKey):
                raise KeyRefused(failure.because, hint=failure.hint)
        report.raise_for_failures()
        known = cache.known()
    return known


def _wanted(named: Sequence[tuple[str, Prompt]], known: Known) -> dict[str, Prompt]:
    """What is to be asked, by the ids of the requests."""
    wanted: dict[str, Prompt] = {}
    for name, prompt in named:
        row, turn = known.get(name, (None, 0))
        if row is None or row.outcome not in (Standing.ANSWERED, *_ASKED):
            wanted[asked_as(name, turn + 1)] = prompt
    return wanted


def _passed(cache: Cache, worker: Answering, asking: Asking) -> Report:
    """One pass over the batches of this call."""
    keys = ("concurrency", "requests_per_minute", "tokens_per_minute", "request_seconds", "run_seconds")
    flags: dict[str, Any] = {f"local.{key}": asking[key] for key in keys if key in asking}  # type: ignore[literal-required]  # keys of it
    flags["policy.max_attempts"] = asking.get("max_attempts", MAX_ATTEMPTS)
    flags["policy.settle_seconds"] = 0
    return reconcile(
        cache.path,
        only=[f"{cache.prefix}-*"],
        provider="local",
        worker=worker,
        settings=flags,
        environment=False,
        progress=_Told(asking.get("on_progress"), asking.get("progress_every", 200)),
        stopping=asking.get("stopping", lambda: False),
    )


@attrs.define
class _Told:
    """Tells how far the run is, each time so many more have ended."""

    tell: Callable[[Progress], None] | None
    every: int
    _told: int = 0

    def start(self, what: str, size: int) -> None:
        """Reading is not worth a word."""

    def advance(self, size: int, line: int) -> None:
        """Nor is this."""

    def finish(self) -> None:
        """Nor this."""

    def answering(self, name: str, standing: Progress) -> None:  # noqa: ARG002 - as the protocol says
        """So far is the run."""
        ended = standing.answered + standing.failed
        if self.tell is not None and (ended - self._told >= self.every or not standing.left):
            self._told = ended
            self.tell(standing)


def _records(named: Sequence[tuple[str, Prompt]], known: Known, model: Any) -> dict[str, PromptRecord]:
    """What became of each prompt."""
    made = None if model is None else reader_of(model)
    return {name: _record(prompt, known[name][0] if name in known else None, made) for name, prompt in named}


def _record(prompt: Prompt, row: ResultRow | None, made: Callable[[str], Any] | None) -> PromptRecord:
    """What became of one prompt."""
    if row is None or row.outcome in _ASKED:
        return PromptRecord(prompt, "pending")
    if row.outcome is Standing.ANSWERED:
        value = made(row.text) if made is not None and row.text is not None else None
        return PromptRecord(
            prompt, "answered", row.text, value, None, None, row.usage, row.model, row.custom_id
        )
    why, told = row.error_class, row.error_message or row.error_code or row.outcome.value
    return PromptRecord(prompt, "failed", None, None, told, why, row.usage, row.model, row.custom_id)


def _returned(found: list[PromptRecord], returns: str) -> Any:
    """The records in the form that was asked for."""
    match returns:
        case "text":
            return [each.text for each in found]
        case "pairs":
            return [(each.prompt, each.text) for each in found]
        case "dataframe":
            from reconciler.results import frames  # noqa: PLC0415 - loads pandas or polars

            columns = {
                field.name: [getattr(each, field.name) for each in found]
                for field in attrs.fields(PromptRecord)
            }
            return frames().DataFrame(columns)
        case _:
            return found
