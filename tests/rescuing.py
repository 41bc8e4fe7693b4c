"""
Workspaces with a batch at a provider that does not answer, and a live worker that may be asked instead.

The real client and the real network against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler.check import check
from reconciler.decide_online import rescue
from reconciler.errors import NeedsPerson
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.exchange import Request
from reconciler.model.policy import LOCAL
from reconciler.providers.echo import echo
from reconciler.providers.local import Local
from reconciler.session import Options
from reconciler.testing import FakeProvider, Fate
from tests import five
from tests.online import Online, put_input
from tests.workers import AT_ONCE, note, noted
from tests.workspaces import leftovers, results, settings, tree

STUCK = Fate(polls=10**6)
"""A batch that never ends by itself."""


@attrs.frozen
class Asked:
    """
    A worker that writes each call down, and answers in the shape of the request.

    Attributes:
        log: One id a line.
    """

    log: Path

    async def __call__(self, request: Request) -> Any:
        """Note the call, then answer."""
        note(self.log, request.custom_id)
        return await echo(request)


@attrs.define
class Rescuing(Online):
    """
    A workspace, a provider that it can ask, and a worker that answers live.

    Attributes:
        worker: Who answers; it notes each call.
        chosen: The user has chosen it.
    """

    worker: Any = None
    chosen: bool = True

    @property
    def options(self) -> Options:
        """What a pass takes."""
        options: Options = Online.options.fget(self)  # type: ignore[attr-defined]  # the property of the base
        live = Local(self.worker, 2, AT_ONCE)
        clients = {each.name: each for each in (self.client, *self.others)} | {LOCAL: live}
        if self.keyless:
            del clients[self.client.name]
        hooks = Hooks(providers=clients, keyless=self.keyless, worker_chosen=self.chosen)
        return attrs.evolve(options, plugged=Plugged(lambda _name: hooks))


def begun(
    tmp_path: Path, fake: FakeProvider, name: str = "openai", fate: Fate = STUCK, **more: Any
) -> Rescuing:
    """A batch that was sent."""
    fake.clock.advance(60)
    fake.default(fate)
    root = tmp_path / "ws"
    put_input(root, five.lines_of(name))
    made = Rescuing(root, fake, five.client_of(name, fake), worker=Asked(tmp_path / "calls"), **more)
    made.run()
    return made


def called(tmp_path: Path) -> dict[int, int]:
    """How often each request was asked live, by its number."""
    return {five.number_of(key): count for key, count in noted(tmp_path / "calls").items()}


def outcomes(root: Path, batch: str) -> dict[int, str]:
    """What was published of each request, by its number."""
    return {five.number_of(line["custom_id"]): line["outcome"] for line in results(root, batch)}


def sound(root: Path) -> None:
    """Every id is accounted for, and nothing is left behind."""
    assert not check(str(root), settings()).findings
    assert not leftovers(root)


def of_one_lineage(root: Path, *batches: str) -> dict[int, str]:
    """Which batch answered each request; answered by two is a fault."""
    owners: dict[int, str] = {}
    for batch in batches:
        for number, outcome in outcomes(root, batch).items():
            if outcome == "answered":
                assert number not in owners, f"{number} was answered by {owners[number]} and {batch}"
                owners[number] = batch
    return owners


def refusal(asked: Rescuing, *names: str) -> str:
    """The words of a refusal, which has written nothing and stopped nothing."""
    before, calls = tree(asked.root), list(asked.fake.calls)
    with pytest.raises(NeedsPerson) as refused:
        asked.decide(rescue, *names)
    assert tree(asked.root) == before
    assert list(asked.fake.calls) == calls
    return f"{refused.value.message}\n{refused.value.hint}"
