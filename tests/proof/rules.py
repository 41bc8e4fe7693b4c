"""
The rules of the state machine: what users, the provider, the machine, other reconcilers and versions do.

What holds is written in `holding.py`; how runs are made in `machine.py`.
"""

from __future__ import annotations

import errno
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Final, Literal, TypeVar

import attrs
import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from reconciler.testing import FakeProvider
from tests.proof.fortunes import FAULTS, LIES, OF_BATCHES, WISHES, Fortunes
from tests.proof.holding import converge, hold, judge, refused
from tests.proof.users import Users, batch_of
from tests.proof.world import World, begin
from tests.stopping import PROVIDERS
from tests.workspace.faults import Crash, errno_failure

ERRNOS: Final = (
    *(errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EMFILE, errno.EACCES),
    *(errno.EROFS, errno.ESTALE, errno.EXDEV, errno.EINTR),
)
Lost = Literal["batch", "results"]
LOST: Final[tuple[Lost, ...]] = ("batch", "results")
ROLES: Final = ("metadata", "output", "error")

EFFECTS: Final = st.integers(1, 60)
"""Which effect of a pass; one that has fewer is left alone."""

WHICH: Final = st.integers(0, 9)
"""Chooses one of several things, in order."""

KEPT: Final = 20 * 86400.0
"""Seconds that every provider keeps results for."""

LIMIT: Final = st.sampled_from([None, None, 600.0, 7200.0, 43200.0])
AFTER: Final = st.sampled_from([None, None, None, 0, 1])
"""Chooses the sample that an input waits for; None for none."""

HALF: Final = st.sampled_from([False, False, True])
REQUESTS: Final = st.lists(st.sampled_from(WISHES), min_size=1, max_size=4)


T = TypeVar("T")


class Machine(RuleBasedStateMachine):
    """
    What may happen to a workspace.

    The steps that a failure prints can be pasted below `with Machine.served():`.
    """

    fake: ClassVar[FakeProvider]
    """The provider of every run."""

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.made = 0
        self.world: World
        self.users: Users
        self.fortunes: Fortunes

    @initialize(provider=st.sampled_from(PROVIDERS), seed=st.integers(0, 99), wishes=REQUESTS, limit=LIMIT)
    def begin(self, provider: str, seed: int, wishes: list[str], limit: float | None = None) -> None:
        """A new workspace, and a first input."""
        self.world = self.open.enter_context(begin(provider, seed, self.fake))
        self.users, self.fortunes = self.world.users, self.world.fortunes
        self.add(wishes, half=False, limit=limit)

    # --- users ----------------------------------------------------------------------------------------------

    @rule(wishes=REQUESTS, half=HALF, limit=LIMIT, after=AFTER)
    def add(
        self,
        wishes: list[str],
        half: bool,  # noqa: FBT001 - Hypothesis draws it
        limit: float | None = None,
        after: int | None = None,
    ) -> None:
        """An input comes, whole or mid-write, maybe with a limit or a sample; each request has its end."""
        name, samples = self._name("b"), self.users.samples()
        sample = _pick(samples, after) if samples and after is not None else None
        self.fortunes.wishes |= {f"{name}-{n}": wish for n, wish in enumerate(wishes)}
        self.users.add(name, len(wishes), half=half, limit=limit, after=sample)

    @rule(requests=st.integers(1, 3), half=HALF)
    def add_with_answers(self, requests: int, half: bool) -> None:  # noqa: FBT001 - likewise
        """A triple comes, its answers whole or mid-write."""
        self.users.answers(self._name("a"), requests, half=half)

    @precondition(lambda self: self.users.inputs)
    @rule(which=WHICH, half=HALF)
    def copy(self, which: int, half: bool) -> None:  # noqa: FBT001 - likewise
        """Somebody copies an input under another name."""
        self.users.copy(self._name("c"), _pick(sorted(self.users.inputs), which), half=half)

    @precondition(lambda self: self.users.growing)
    @rule(which=WHICH)
    def grow(self, which: int) -> None:
        """A file that is being written gets whole."""
        self.users.grow(_pick(sorted(self.users.growing), which))

    @precondition(lambda self: self.users.deletable())
    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        """An input that nobody has begun with goes."""
        self.users.delete(_pick(self.users.deletable(), which))

    @precondition(lambda self: self.users.editable())
    @rule(which=WHICH)
    def edit(self, which: int) -> None:
        """An input that the product has begun with is changed, until it is put back."""
        self.users.edit(_pick(self.users.editable(), which))

    @precondition(lambda self: self.users.free(*ROLES))
    @rule(which=WHICH)
    def take_away(self, which: int) -> None:
        """A file that the product has written goes, until it is put back."""
        self.users.take(_pick(self.users.free(*ROLES), which))

    @precondition(lambda self: self.users.touched)
    @rule(which=WHICH)
    def put_back(self, which: int) -> None:
        """A file that was changed or taken is as it was."""
        self.users.put_back(_pick(sorted(self.users.touched), which))

    # --- the provider ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.fortunes.running)
    @rule(which=WHICH)
    def finish(self, which: int) -> None:
        """A batch comes to its end at the next look."""
        self._destine(which, polls=0, seconds=None)

    @precondition(lambda self: self.fortunes.running)
    @rule(which=WHICH)
    def fail(self, which: int) -> None:
        """A batch is refused at validation."""
        self._destine(which, end="failed")

    @precondition(lambda self: self.fortunes.running)
    @rule(which=WHICH, done=st.integers(0, 3))
    def expire(self, which: int, done: int) -> None:
        """A batch runs out of time, with some of it done."""
        self._destine(which, end="expired", done=done)

    @precondition(lambda self: self.fortunes.running)
    @rule(which=WHICH, lie=st.sampled_from(LIES))
    def lie(self, which: int, lie: dict[str, Any]) -> None:
        """The provider says of a batch what is not so, or not yet."""
        self._destine(which, **lie)

    @precondition(lambda self: self.fake.batches)
    @rule(which=WHICH, lists=st.integers(1, 3))
    def lag(self, which: int, lists: int) -> None:
        """A batch is missing from the next lists."""
        _pick(self.fake.batches, which).hidden = lists
        self.world.note(f"lag {lists}")

    @precondition(lambda self: self.fake.batches)
    @rule(which=WHICH, what=st.sampled_from(LOST))
    def forget(self, which: int, what: Lost) -> None:
        """The provider has lost a batch, or what it has answered."""
        batch = _pick(self.fake.batches, which)
        batch.fate = attrs.evolve(batch.fate, vanishes=what)
        for file in (batch.output, batch.error):
            if file is not None:
                file.deleted = True
        self.world.note(f"forget {batch.id} {what}")

    @rule(which=st.integers(0, len(OF_BATCHES) - 1))
    def next_fate(self, which: int) -> None:
        """What becomes of the next batch is decided before it is created."""
        self.fortunes.script(OF_BATCHES[which])
        self.world.note(f"fate {which}")

    @rule(which=st.integers(0, len(FAULTS) - 1), times=st.sampled_from([1, 2, 5]))
    def fault(self, which: int, times: int) -> None:
        """The next calls of a kind go wrong."""
        self.fortunes.fault(*FAULTS[which], times)
        self.world.note(f"fault {FAULTS[which]} {times} times")

    # --- the machine ----------------------------------------------------------------------------------------

    @rule()
    def a_pass(self) -> None:
        """A pass."""
        self.world.run()

    @rule()
    def a_pass_and_an_hour(self) -> None:
        """A pass, and time until the next."""
        self.world.run()
        self.world.wait(3600.0)

    @rule(seconds=st.sampled_from([1.0, 60.0, 3600.0, 43200.0]))
    def later(self, seconds: float) -> None:
        """Time goes on, and a pass comes."""
        self.world.wait(seconds)
        self.world.run()

    @rule(seconds=st.sampled_from([-86400.0, -120.0, 30 * 86400.0]))
    def clock_jump(self, seconds: float) -> None:
        """The clock is set."""
        self.world.wait(seconds)
        if seconds > KEPT:
            self.fortunes.outlive()

    @rule(at=EFFECTS)
    def crash(self, at: int) -> None:
        """The process is killed before one of its effects."""
        self.world.run(at, Crash)

    @rule(at=EFFECTS, left=st.integers(0, 99))
    def power_cut(self, at: int, left: int) -> None:
        """The power goes there, and leaves one of the states that a disk may be in."""
        self.world.run(at, Crash, random.Random(left))

    @rule(at=EFFECTS, number=st.sampled_from(ERRNOS))
    def disk_fault(self, at: int, number: int) -> None:
        """One effect is refused by the kernel."""
        self.world.run(at, errno_failure(number))

    @rule(at=EFFECTS)
    def disk_full(self, at: int) -> None:
        """The disk gets full at one of the effects of a pass, and stays so."""
        self.world.run(at, fills=True)

    @precondition(lambda self: self.world.full)
    @rule()
    def disk_free(self) -> None:
        """There is room again."""
        self.world.full = False

    # --- a second reconciler, another version ---------------------------------------------------------------

    @rule(at=EFFECTS)
    def second(self, at: int) -> None:
        """Another reconciler comes at one of the effects of a pass."""
        self.world.race(at)

    @rule()
    def locked_out(self) -> None:
        """Somebody holds the lock while a pass is to be made."""
        self.world.locked_out()

    @precondition(lambda self: self.users.there("metadata"))
    @rule(which=WHICH)
    def newer_metadata(self, which: int) -> None:
        """The metadata of a batch is of a newer schema, until it is put back: nothing may be done then."""
        path = _pick(self.users.there("metadata"), which)
        self.users.upgrade(path)
        self.world.run()
        self._told(lambda world: refused(world, batch_of(path)))

    @precondition(lambda self: self.users.manifests())
    @rule(which=WHICH)
    def newer_manifest(self, which: int) -> None:
        """So is a manifest."""
        self.users.upgrade(_pick(self.users.manifests(), which))

    @precondition(lambda self: self.users.records())
    @rule(which=WHICH)
    def later_key(self, which: int) -> None:
        """Metadata holds a key of a later version of the same schema: it has to be kept."""
        self.users.mark(_pick(self.users.records(), which))

    @precondition(lambda self: self.users.outdated())
    @rule(which=WHICH)
    def older_metadata(self, which: int) -> None:
        """Metadata is as the first tools wrote it: it has to be read."""
        self.users.outdate(_pick(self.users.outdated(), which))

    # --- what holds -----------------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        """Every promise that the files can show, and the provider's memory."""
        self._told(hold)

    def teardown(self) -> None:
        """Faults stop: the world comes to rest, each request where it would be without them."""
        with self.open:
            # Nothing more is asked where a rule has failed already.
            if sys.exc_info()[0] is None and hasattr(self, "world"):
                self._told(converge)
                self._told(judge)

    @classmethod
    @contextmanager
    def served(cls) -> Iterator[None]:
        """With a provider."""
        with FakeProvider() as cls.fake:
            yield

    def _told(self, judged: Any) -> None:
        try:
            judged(self.world)
        except BaseException:
            told = [each if " left " in each else each.partition("\n")[0] for each in self.world.log]
            hypothesis.note("\n".join([self.world.provider, *told]))
            raise

    def _name(self, letter: str) -> str:
        self.made += 1
        return f"{letter}{self.made}"

    def _destine(self, which: int, **change: Any) -> None:
        batch = _pick(self.fortunes.running, which)
        batch.fate = attrs.evolve(batch.fate, **change)
        self.world.note(f"{batch.id}: {change}")


def _pick(things: Sequence[T], which: int) -> T:
    return things[which % len(things)]
