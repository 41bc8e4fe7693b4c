"""
Work on several batches while the disk syncs what they have written: part of the room for changes.

Each batch is worked on in a thread of its own, but only one of them runs at a time, and it hands its turn on
only where it has to wait for the disk: what it waits for is synced while the others run. The order of effects
within a batch is what it is without this, and so is the order of turns from run to run.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")

Syncs: TypeAlias = Callable[[Sequence[int]], None]
"""Brings open files or folders to disk before it returns."""

MOST: Final = 3
"""Batches that are worked on together."""


class Abandoned(BaseException):
    """Another batch of the group ended in a fault: this one stops where it is, as if the process had died."""


class _Member(Generic[T]):
    """One batch of a group, and the two ends of its turn: each is a lock that the other side opens."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.wanted: Sequence[int] = ()
        self.syncs: list[Callable[[], None]] = []
        self.fault: BaseException | None = None
        self.ended: list[T] = []
        self.over = False
        self.go, self.back = threading.Lock(), threading.Lock()
        self.go.acquire()
        self.back.acquire()


class Together(Generic[T]):
    """
    Runs the members of one group.

    Args:
        works: What to do for each; they share nothing that is not theirs between two syncs.
        pool: Threads that wait for the disk.
        syncs: Brings files and folders to disk. One that is not the usual one is called in order of turns,
            when it is waited for: whoever records a run finds the next one like it.
    """

    def __init__(self, works: Sequence[Callable[[], T]], pool: Executor, syncs: Syncs) -> None:
        self._members = [_Member(work) for work in works]
        self._pool = pool
        self._syncs = syncs
        self._mine = threading.local()
        self._abandoned = False

    def run(self) -> list[T]:
        """
        Do all of it.

        Returns:
            What each returned, in order.

        Raises:
            BaseException: The first fault of a member; the others have stopped where they were.
        """
        threads = [
            threading.Thread(target=self._live, args=(member,), name="reconciler-batch", daemon=True)
            for member in self._members
        ]
        try:
            for thread in threads:
                thread.start()
            self._take_turns()
        finally:
            # Those that are through have left; the others stop where they are.
            self._abandoned = True
            for member in self._members:
                if not member.over:
                    member.go.release()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        return [member.ended[0] for member in self._members]

    def sync(self, opened: Sequence[int]) -> None:
        """
        Bring open files or folders to disk; called by a member, whose turn ends until that is done.

        Raises:
            OSError: The disk is full or failing.
        """
        member: _Member[T] = self._mine.member
        member.wanted = tuple(opened)
        member.back.release()
        self._wait_for_turn(member)
        if member.fault is not None:
            fault, member.fault = member.fault, None
            raise fault

    # Within

    def _take_turns(self) -> None:
        """
        Let each member in its turn run until it waits for the disk, until all are through.

        The disk works for the others meanwhile. The order of turns is fixed: a member whose files are not on
        disk yet is waited for, so that one run is like another.
        """
        while waiting := [member for member in self._members if not member.over]:
            for member in waiting:
                self._await_syncs(member)
                member.go.release()
                member.back.acquire()
                if member.over and member.fault is not None:
                    raise member.fault
                member.syncs = self._begun(member.wanted)
                member.wanted = ()

    def _begun(self, opened: Sequence[int]) -> list[Callable[[], None]]:
        """What has to be called to know that these are on disk."""
        if not opened:
            return []
        if self._syncs is not sync_now:
            return [partial(self._syncs, opened)]
        return [self._pool.submit(os.fsync, each).result for each in opened]

    def _await_syncs(self, member: _Member[T]) -> None:
        """Wait for what a member has asked to be synced; its failure is told to it alone."""
        for each in member.syncs:
            try:
                each()
            except BaseException as fault:  # noqa: BLE001 - raised again in that member
                member.fault = member.fault or fault
        member.syncs = []

    def _live(self, member: _Member[T]) -> None:
        """The life of a member's thread."""
        self._mine.member = member
        try:
            self._wait_for_turn(member)
            member.ended.append(member.work())
        except Abandoned:
            pass
        except BaseException as fault:  # noqa: BLE001 - raised again where everybody can see it
            member.fault = fault
        finally:
            member.over = True
            # Nobody waits for it any more when the group was abandoned.
            with contextlib.suppress(RuntimeError):
                member.back.release()

    def _wait_for_turn(self, member: _Member[T]) -> None:
        """Wait until it is *member*'s turn."""
        member.go.acquire()
        if self._abandoned:
            raise Abandoned


def sync_now(opened: Sequence[int]) -> None:
    """Bring open files or folders to disk, one after the other."""
    for each in opened:
        os.fsync(each)
