"""
`Batch`: describe requests, see what would be made of them, have them answered, get typed answers.

Everything that is described becomes ordinary batches of a workspace, so what holds for them holds here;
running the same script again adds nothing and pays nothing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self, Unpack

import attrs

from reconciler.authoring.adding import Added, add, planned
from reconciler.authoring.following import Listener, follower
from reconciler.authoring.items import Item, PathLike, Wanted, item_of
from reconciler.authoring.parting import Asked, tiny
from reconciler.authoring.runs import Run
from reconciler.caches import make_workspace
from reconciler.choices import Choices, prepared
from reconciler.config import Settings
from reconciler.costs import costs_of
from reconciler.errors import CostLimitExceeded, InvalidRequest, UsageError
from reconciler.executor.context import viewing
from reconciler.library import reconcile
from reconciler.limiting import checked_limit, set_limit
from reconciler.model.durations import held, seconds_of
from reconciler.model.failure import Capped
from reconciler.model.report import Report
from reconciler.plugins import Mode
from reconciler.pricing.money import Cap
from reconciler.workspace.layout import find
from reconciler.workspace.reading import locate

_FIELDS: Final = frozenset(field.name for field in attrs.fields(Wanted)) - {"params", "files"} | {"file"}


@attrs.define
class Batch:
    """
    Requests on their way into a workspace.

    Args:
        workspace: Its path; it is made when the first input is.
        model: The model of every request that names none.
        provider: Whom to ask; told by the model unless given. `local` for a worker of the workspace.
        endpoint: `chat` or `responses`, for OpenAI's models.
        system: The system prompt of every request that has none.
        name: What the names of its batches begin with.
        dedupe: Ask equal requests once.
        fresh: Ask everything anew, under new ids; it is paid for again, and nothing is deleted.
        items_per_batch: Requests in a batch at the most.
        params: Parameters of every request that does not say otherwise, such as `temperature`.
        raw_files: What becomes of the files of lines once their results are published: True keeps them, False
            removes them, as `[retain] jsonl` does, in the passes that its runs make; None leaves it to that.
    """

    workspace: PathLike
    model: str = ""
    provider: str = attrs.field(default="", kw_only=True)
    endpoint: str = attrs.field(default="", kw_only=True)
    system: str = attrs.field(default="", kw_only=True)
    name: str = attrs.field(default="requests", kw_only=True)
    dedupe: bool = attrs.field(default=False, kw_only=True)
    fresh: bool = attrs.field(default=False, kw_only=True)
    items_per_batch: int | None = attrs.field(default=None, kw_only=True)
    params: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    raw_files: bool | None = attrs.field(default=None, kw_only=True)
    _items: list[Item] = attrs.field(factory=list, init=False)
    _time_limit: float | None = attrs.field(default=None, init=False)
    _canary: int = attrs.field(default=0, init=False)
    _share: float = attrs.field(default=0.9, init=False)
    _cost_usd: float | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        size: object = self.items_per_batch
        if size is not None and (not isinstance(size, int) or size < 1):
            raise UsageError(f"items_per_batch={size!r:.60}: a whole number, and 1 at the least")

    def __len__(self) -> int:
        return len(self._items)

    def add(  # noqa: PLR0913 - each is a word of the contract
        self,
        prompt: str | None = None,
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        file: PathLike | Sequence[PathLike] = (),
        custom_id: str | None = None,
        response_model: Any = None,
        citations: bool = False,
        model: str = "",
        provider: str = "",
        endpoint: str = "",
        system: str = "",
        **params: Any,
    ) -> Self:
        """
        Put down one request; nothing is written.

        Args:
            prompt: A text.
            messages: A conversation instead: `role` and `content` each, the content a text or a list of texts
                and paths of files.
            file: One file or several that go with the prompt: images, PDF, text, DOCX.
            custom_id: The id; made of the content unless given.
            response_model: The form of the answer: a Pydantic model, an attrs class, a dataclass, a
                TypedDict or a JSON Schema.
            citations: Have the answer say where in the file it found what it says (Anthropic).
            model: The model, unless it is that of the batch.
            provider: Whom to ask, likewise.
            endpoint: `chat` or `responses`, likewise.
            system: A system prompt, likewise.
            params: `temperature`, `max_tokens` and others, over those of the batch.

        Raises:
            InvalidRequest: It says too much or too little, a file cannot be read, or it would be refused.
            UnknownProvider: Nobody knows whom to ask for it.
        """
        files = (
            tuple(file) if isinstance(file, Iterable) and not isinstance(file, str | os.PathLike) else (file,)
        )
        wanted = Wanted(
            model=model or self.model,
            provider=provider or ("" if model else self.provider),
            endpoint=endpoint or ("" if model else self.endpoint),
            prompt=prompt,
            messages=messages,
            files=files,
            system=system or self.system,
            response_model=response_model,
            citations=citations,
            custom_id=custom_id,
            params={**self.params, **params},
        )
        try:
            self._items.append(item_of(wanted))
        except InvalidRequest:
            raise
        except UsageError as error:
            raise InvalidRequest(error.message, hint=error.hint) from error
        return self

    def add_many(self, rows: Iterable[Mapping[str, Any]]) -> Self:
        """
        Put down one request for each row: the arguments of `add`, by name.

        Raises:
            InvalidRequest: A row cannot be asked; the message says which. The rows before it are in.
        """
        for at, row in enumerate(rows):
            try:
                self.add(**row)
            except InvalidRequest as error:
                raise type(error)(f"row {at}: {error}", hint=error.hint) from error
            except TypeError as error:
                raise InvalidRequest(f"row {at} is no row: {error}") from error
        return self

    def limit(
        self,
        *,
        cost_usd: float | None = None,
        time: str | float | dt.timedelta | None = None,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> Self:
        """
        Say what the workspace may spend, how long all of this may take, retries included, or both.

        The limit of cost is kept in the workspace when the inputs are made, for every pass. The lowest limit
        holds, those of settings too; what it holds back waits until it is raised.

        The time counts from when its inputs are made, and is kept with them: running the script again does
        not begin it anew, unless another length is given. Once it is over, what is under way is stopped at
        its provider, what is answered is kept, and the rest has failed as `time-limit`.

        Args:
            cost_usd: The most that may be spent, in dollars.
            time: A length such as `2h30m`, a number of seconds, or a `timedelta`.
            hours: Instead of that, with minutes and seconds, which are summed.
            minutes: Likewise.
            seconds: Likewise.

        Raises:
            UsageError: It is no amount of money, or no length of time above nothing, or nothing is said.
        """
        parts = (hours, minutes, seconds)
        if cost_usd is not None:
            checked_limit(cost_usd)
            self._cost_usd = cost_usd
            if time is None and not any(parts):
                return self
        if time is not None and any(parts):
            raise UsageError("a time limit twice", hint="limit(time='2h30m') or limit(hours=2, minutes=30)")
        if time is not None:
            self._time_limit = seconds_of(time)
            return self
        for part in parts:
            if part:
                seconds_of(part)
        self._time_limit = held(hours * 3600 + minutes * 60 + seconds, f"{hours}h{minutes}m{seconds}s")
        return self

    def canary(self, count: int, *, at_least: float = 0.9) -> Self:
        """
        Let a sample go first, of every model, schema and size; the rest follows if that goes well.

        Nothing of the sample is asked twice: it is no part of the rest. What the rest waits for stands in
        its metadata.

        Args:
            count: How many requests go first.
            at_least: How many of them need a valid answer, as a part of all; below that the rest waits for
                a person.

        Raises:
            UsageError: It is no number of requests, or no share.
        """
        number: object = count
        if not isinstance(number, int) or number < 1:
            raise UsageError(f"canary({count!r:.60}): how many go first?", hint="a number from 1")
        share: object = at_least
        if not isinstance(share, int | float) or not 0 < share <= 1:
            raise UsageError(f"at_least={at_least!r:.60} is no share", hint="above 0, and 1 at the most")
        self._canary, self._share = count, float(at_least)
        return self

    def plan(self) -> Added:
        """
        What would be made, what it may cost, and what is there already; nothing is written.

        Raises:
            UsageError: There is nothing to ask, or an id was given twice.
            Clash: An id stands in the workspace with another request.
        """
        self._refuse_empty()
        path = os.fspath(self.workspace)
        if locate(path)[1] is None:
            left = None if self._cost_usd is None else checked_limit(self._cost_usd)
            return attrs.evolve(planned(None, self._items, self._asked), left=left)
        ready = prepared(path, {}, Mode.LOOK)
        with viewing(path, ready.settings) as view:
            found = _warned(planned(view, self._items, self._asked), ready.settings)
            money = costs_of(view.look, ready.settings)
            if self._cost_usd is not None:
                own = Cap(checked_limit(self._cost_usd), "limit()")
                money = attrs.evolve(money, cap=ready.settings.cap.lower(own))
            return attrs.evolve(found, prices=ready.settings.prices, left=money.left)

    def write(self) -> Added:
        """
        Make the inputs; nothing is sent. What was there before is not made again.

        Raises:
            UsageError, Clash: As `plan`.
            WorkspaceLocked: A pass is at work there.
        """
        self._refuse_empty()
        path = os.fspath(self.workspace)
        make_workspace(path)
        ready = prepared(path, {}, Mode.LOOK)
        if self._cost_usd is not None:
            set_limit(path, ready.settings, self._cost_usd)
        added = _warned(add(path, ready.settings, self._items, self._asked), ready.settings)
        return attrs.evolve(added, prices=ready.settings.prices)

    def submit(self, *, strict: bool = False, **choices: Unpack[Choices]) -> Run:
        """
        Make the inputs, then one pass over the workspace: everything is sent that can be.

        Args:
            strict: Raise where the limit of cost holds one of its batches back, instead of reporting it.
            choices: As for `reconciler.reconcile`.

        Raises:
            CostLimitExceeded: It does, and *strict* was asked for; what fitted was sent all the same.
        """
        run = self._pass(self.write(), self._retaining(choices), wait=False)
        if strict:
            _refuse_held(run)
        return run

    def run(
        self,
        timeout: float | None = None,
        *,
        on_progress: Listener | None = None,
        progress_interval: float = 1.0,
        **choices: Unpack[Choices],
    ) -> Run:
        """
        Make the inputs, then pass after pass until all of the workspace has settled, or needs a person.

        Args:
            timeout: Seconds after which to stop waiting.
            on_progress: Called with a `RunStatus` at once, every so often, and at the end, from a thread of
                its own; plain or async. What it raises is in `run.report.warnings`, and stops nothing.
            progress_interval: Seconds between two calls; more where looking takes long.
            choices: As for `reconciler.reconcile`; `progress=True` draws where it stands on a terminal.
        """
        return self._run(timeout, choices, on_progress, progress_interval)

    async def submit_async(self, **choices: Unpack[Choices]) -> Run:
        """`submit`, beside a running loop."""
        return await asyncio.to_thread(lambda: self.submit(**choices))

    async def run_async(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - seconds of waiting at a provider
        *,
        on_progress: Listener | None = None,
        progress_interval: float = 1.0,
        **choices: Unpack[Choices],
    ) -> Run:
        """`run`, beside a running loop, on which an async `on_progress` is awaited."""
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(self._run, timeout, choices, on_progress, progress_interval, loop)

    def _run(
        self,
        timeout: float | None,
        choices: Choices,
        on_progress: Listener | None,
        every: float,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Run:
        added = self.write()
        choices = self._retaining(choices)
        if on_progress is None and choices.get("progress") is not True:
            return self._pass(added, choices, wait=True, timeout=timeout)
        begun = Run(find(os.fspath(self.workspace)).root, added, Report("", ()), choices=choices)
        with follower(begun.asking, choices, on_progress, every, loop) as followed:
            run = self._pass(added, {**choices, "progress": followed}, wait=True, timeout=timeout)
        warnings = (*run.report.warnings, *followed.problems)
        return attrs.evolve(run, report=attrs.evolve(run.report, warnings=warnings), choices=choices)

    def _retaining(self, choices: Choices) -> Choices:
        """The choices of a call, with what is to become of the files of lines, unless they say that."""
        if self.raw_files is None:
            return choices
        kept = {"retain.jsonl": "keep" if self.raw_files else "remove"}
        return {**choices, "settings": {**kept, **choices.get("settings", {})}}

    def _pass(self, added: Added, choices: Choices, *, wait: bool, timeout: float | None = None) -> Run:
        report = reconcile(self.workspace, wait=wait, timeout=timeout, **choices)
        return Run(report.root, added, report, choices=choices)

    @property
    def _asked(self) -> Asked:
        return Asked(
            self.name,
            self.dedupe,
            self.fresh,
            self.items_per_batch,
            time_limit=self._time_limit,
            canary=self._canary,
            share=self._share,
        )

    def _refuse_empty(self) -> None:
        if not self._items:
            raise UsageError("an empty batch: there is nothing to ask", hint="add() something first")


def _warned(added: Added, settings: Settings) -> Added:
    """What came of adding, with what is wasteful about it."""
    return attrs.evolve(added, warnings=tiny(added.parts, settings["policy.min_items_per_batch"]))


def _refuse_held(run: Run) -> None:
    """
    Hold a run to having been sent.

    Raises:
        CostLimitExceeded: The limit of cost holds a batch back.
    """
    for each in run.report.batches:
        if isinstance(each.failure, Capped):
            raise CostLimitExceeded(f"{each.name}: {each.because}", hint=each.hint)
