"""
Answers that could not be handled: `failed-json-repairs/<name>.jsonl` and `failed-items/<name>.jsonl`.

Each line names the request, says why, and carries the answer's text. Both files are replaced whole with every
invocation, and go when there is nothing left to put into them. Requests that were given up stand in the
second file too, behind the answers (`given_up.py`); who replaces lines of one kind keeps those of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

import attrs
import msgspec

from reconciler.executor.answers import joined
from reconciler.executor.context import Context
from reconciler.model.answers import Answers
from reconciler.model.coverage import Tally
from reconciler.model.facts import FileFact
from reconciler.model.identity import Role
from reconciler.workspace.layout import FAILED_ITEMS, FAILED_REPAIRS

PROCESSOR = "processor"
"""Why: the output processor raised, or returned what is no JSON. Any other why is the content's."""

FAILED: Final = "failed"
"""Why: the request failed, and the policy asks it no more."""
DISMISSED: Final = "dismissed"
"""Why: a person gave the request up."""


class Item(msgspec.Struct):
    """
    A line of `failed-items/`, as far as it says whose it is.

    Attributes:
        custom_id: The request; None for a whole batch.
        why: Why it stands there.
    """

    custom_id: str | None = None
    why: str = ""

    @property
    def given_up(self) -> bool:
        """Whether it is a request that was given up, and not an answer."""
        return self.why in (FAILED, DISMISSED)


def items_of(name: str) -> str:
    """Where that of a batch which nobody asks or handles any more is collected, relative to the workspace."""
    return f"{FAILED_ITEMS}/{name}.jsonl"


def read_item(line: bytes) -> Item:
    """What a line says; one that somebody has edited away says nothing."""
    try:
        return msgspec.json.decode(line, type=Item)
    except (msgspec.MsgspecError, UnicodeError):
        return Item()


def replace_items(ctx: Context, batch: str, lines: Iterator[bytes] | None, *, given_up: bool) -> None:
    """
    Replace the lines of one kind in `failed-items/<batch>.jsonl`, and keep the others.

    Args:
        ctx: Rooms and settings.
        batch: The batch.
        lines: The lines of that kind, at least one; None for none.
        given_up: Whether they are of requests that were given up; those of answers otherwise.
    """
    path = items_of(batch)
    if lines is None and ctx.fx.fact(path) is None:
        return
    others = _kept(ctx, path, given_up=not given_up)
    if lines is None:
        if next(_kept(ctx, path, given_up=given_up), None) is None:
            return
        first = next(others, None)
        if first is None:
            ctx.fx.remove(path)
            return
        others, lines = chain((first,), others), iter(())
    ctx.fx.publish(path, chain(others, lines) if given_up else chain(lines, others), replace=True)


def _kept(ctx: Context, path: str, *, given_up: bool) -> Iterator[bytes]:
    """The lines of one kind that stand there."""
    if ctx.fx.fact(path) is None:
        return
    with ctx.fx.open(path) as stream:
        for line in stream:
            if read_item(line).given_up is given_up:
                yield line.rstrip(b"\n") + b"\n"


@attrs.frozen
class Unhandled:
    """
    One answer that could not be handled.

    Attributes:
        custom_id: Whose it is; None for a whole batch.
        at: The position of its request in the input, None for a whole batch.
        hashed: The hash of that id.
        why: `truncated`, `broken`, `refused`, `no-text` or `processor`.
        reason: For people.
        token: The token under which a processor had it.
    """

    custom_id: str | None
    at: int | None
    hashed: int
    why: str
    reason: str
    token: str = ""


@attrs.define
class Unhandleds:
    """
    All of them, of one invocation.

    Attributes:
        batch: The batch.
        found: What was found so far.
        whole: Every answer of the batch, when its processor failed on the batch as a whole.
    """

    batch: str
    found: list[Unhandled] = attrs.field(factory=list)
    whole: Tally | None = None

    def publish(
        self, ctx: Context, files: Mapping[Role, FileFact], answers: Answers, processor: str
    ) -> dict[str, Any]:
        """
        Write the two files, or remove what an earlier invocation wrote.

        Returns:
            For the receipt: `requests`, `ids`, `told` and `files`; empty when everything was handled.
        """
        items = [each for each in self.found if each.why == PROCESSOR]
        unread = [each for each in self.found if each.why != PROCESSOR]
        told = []
        paths = []
        for path, group in ((f"{FAILED_REPAIRS}/{self.batch}.jsonl", unread), (items_of(self.batch), items)):
            lines = self._lines(ctx, files, answers, group, processor) if group else None
            if group is items:
                replace_items(ctx, self.batch, lines, given_up=False)
            elif lines is None:
                ctx.fx.discard(path)
            else:
                ctx.fx.publish(path, lines, replace=True)
            if group:
                paths.append(path)
                told.append(f"{_words(group)} ({path})")
        if not self.found:
            return {}
        tally = self.whole or Tally.of(each.hashed for each in self.found)
        return {"requests": tally.requests, "ids": tally.digest, "told": ", ".join(told), "files": paths}

    def _lines(
        self,
        ctx: Context,
        files: Mapping[Role, FileFact],
        answers: Answers,
        group: list[Unhandled],
        processor: str,
    ) -> Iterator[bytes]:
        """One line for each, the answer read once more."""
        for each in group:
            if each.at is None:
                yield self._line(each, processor, {})
        told = {each.at: each for each in group if each.at is not None}
        rows = joined(ctx, files, answers, only=sorted(told))
        for at, (_, _, _, result) in zip(sorted(told), rows, strict=True):
            assert result is not None  # noqa: S101 - only answers can be left unhandled
            answer = {"finish_reason": result.finish_reason, "model": result.model, "text": result.text}
            yield self._line(told[at], processor, answer)

    def _line(self, each: Unhandled, processor: str, answer: Mapping[str, Any]) -> bytes:
        """One line, newline included."""
        fields = {
            "custom_id": each.custom_id,
            "batch": self.batch,
            "why": each.why,
            "reason": each.reason,
            "processor": processor,
            "token": each.token or None,
            **answer,
        }
        return msgspec.json.encode(fields) + b"\n"


def discard_unhandled(ctx: Context, batch: str) -> None:
    """Remove what an earlier invocation could not handle: it is handled now."""
    ctx.fx.discard(f"{FAILED_REPAIRS}/{batch}.jsonl")
    replace_items(ctx, batch, None, given_up=False)


def _words(group: list[Unhandled]) -> str:
    """How many of which kind."""
    counted: dict[str, int] = {}
    for each in group:
        counted[each.why] = counted.get(each.why, 0) + 1
    named = {PROCESSOR: "failed in the processor"}
    return ", ".join(f"{count} {named.get(why, why)}" for why, count in counted.items())
