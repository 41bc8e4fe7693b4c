"""
Answers that could not be handled: `failed-json-repairs/<name>.jsonl` and `failed-items/<name>.jsonl`.

Each line names the request, says why, and carries the answer's text. Both files are replaced whole with every
invocation, and go when there is nothing left to put into them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import msgspec

from reconciler.executor.answers import joined
from reconciler.executor.context import Context
from reconciler.model.answers import Answers
from reconciler.model.coverage import Tally
from reconciler.model.identity import Role
from reconciler.model.operation import FileFact
from reconciler.workspace.layout import FAILED_ITEMS, FAILED_REPAIRS

PROCESSOR = "processor"
"""Why: the output processor raised, or returned what is no JSON. Any other why is the content's."""


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
        for folder, group in ((FAILED_REPAIRS, unread), (FAILED_ITEMS, items)):
            path = f"{folder}/{self.batch}.jsonl"
            if not group:
                ctx.fx.discard(path)
                continue
            ctx.fx.publish(path, self._lines(ctx, files, answers, group, processor), replace=True)
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
            if result is not None:
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
    for folder in (FAILED_REPAIRS, FAILED_ITEMS):
        ctx.fx.discard(f"{folder}/{batch}.jsonl")


def _words(group: list[Unhandled]) -> str:
    """How many of which kind."""
    counted: dict[str, int] = {}
    for each in group:
        counted[each.why] = counted.get(each.why, 0) + 1
    named = {PROCESSOR: "failed in the processor"}
    return ", ".join(f"{count} {named.get(why, why)}" for why, count in counted.items())
