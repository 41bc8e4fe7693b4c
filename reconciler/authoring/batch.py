"""
`Batch`: describe requests, see what would be made of them, have them answered, get typed answers.

Everything that is described becomes ordinary batches of a workspace, so what holds for them holds here;
running the same script again adds nothing and pays nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self, Unpack

import attrs

from reconciler.authoring.adding import Added, Asked, add, planned
from reconciler.authoring.items import Item, PathLike, Wanted, item_of
from reconciler.authoring.runs import Run
from reconciler.caches import make_workspace
from reconciler.choices import Choices, prepared
from reconciler.costs import costs_of
from reconciler.errors import CostLimitExceeded, UsageError
from reconciler.executor.context import viewing
from reconciler.library import reconcile
from reconciler.limiting import checked_limit, set_limit
from reconciler.model.failure import Capped
from reconciler.plugins import Mode
from reconciler.pricing import Cap
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
    _items: list[Item] = attrs.field(factory=list, init=False)
    _cost_usd: float | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        if self.items_per_batch is not None and self.items_per_batch < 1:
            raise UsageError(f"items_per_batch={self.items_per_batch}: it has to be 1 at the least")

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
            UsageError: It says too much or too little, a file cannot be read, or it would be refused.
        """
        files = (file,) if isinstance(file, str | os.PathLike) else tuple(file)
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
        self._items.append(item_of(wanted))
        return self

    def add_many(self, rows: Iterable[Mapping[str, Any]]) -> Self:
        """
        Put down one request for each row: the arguments of `add`, by name.

        Raises:
            UsageError: A row cannot be asked; the message says which. The rows before it are in.
        """
        for at, row in enumerate(rows):
            try:
                self.add(**row)
            except UsageError as error:
                raise UsageError(f"row {at}: {error}", hint=error.hint) from error
            except TypeError as error:
                raise UsageError(f"row {at} is no row: {error}") from error
        return self

    def limit(self, *, cost_usd: float) -> Self:
        """
        Limit what the workspace may spend, in all; kept there when the inputs are made, for every pass.

        The lowest limit holds, those of settings too. What it holds back waits until it is raised.

        Args:
            cost_usd: The most that may be spent, in dollars.

        Raises:
            UsageError: It is no amount of money.
        """
        checked_limit(cost_usd)
        self._cost_usd = cost_usd
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
            found = planned(view, self._items, self._asked)
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
        added = add(path, ready.settings, self._items, self._asked)
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
        run = self._run(wait=False, timeout=None, choices=choices)
        if strict:
            _refuse_held(run)
        return run

    def run(self, timeout: float | None = None, **choices: Unpack[Choices]) -> Run:
        """
        Make the inputs, then pass after pass until all of the workspace has settled, or needs a person.

        Args:
            timeout: Seconds after which to stop waiting.
            choices: As for `reconciler.reconcile`.
        """
        return self._run(wait=True, timeout=timeout, choices=choices)

    async def submit_async(self, **choices: Unpack[Choices]) -> Run:
        """`submit`, beside a running loop."""
        return await asyncio.to_thread(self._run, wait=False, timeout=None, choices=choices)

    async def run_async(self, timeout: float | None = None, **choices: Unpack[Choices]) -> Run:  # noqa: ASYNC109 - seconds of waiting at a provider
        """`run`, beside a running loop."""
        return await asyncio.to_thread(self._run, wait=True, timeout=timeout, choices=choices)

    def _run(self, *, wait: bool, timeout: float | None, choices: Choices) -> Run:
        added = self.write()
        path = os.fspath(self.workspace)
        report = reconcile(path, wait=wait, timeout=timeout, **choices)
        return Run(path, added, report)

    @property
    def _asked(self) -> Asked:
        return Asked(self.name, self.dedupe, self.fresh, self.items_per_batch)

    def _refuse_empty(self) -> None:
        if not self._items:
            raise UsageError("an empty batch: there is nothing to ask", hint="add() something first")


def _refuse_held(run: Run) -> None:
    """
    Hold a run to having been sent.

    Raises:
        CostLimitExceeded: The limit of cost holds a batch back.
    """
    for each in run.report.batches:
        if isinstance(each.failure, Capped):
            raise CostLimitExceeded(f"{each.name}: {each.because}", hint=each.hint)
