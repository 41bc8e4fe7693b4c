"""Publish answers as they are, by the built-in processor `results`: the short way, without user code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from reconciler.executor.answers import ChildOf, Read, opened, places, read_result, silent
from reconciler.executor.context import Context, View
from reconciler.model.answers import ROLE_CODES, Answers
from reconciler.model.facts import FileFact
from reconciler.model.identity import Role
from reconciler.model.snapshot import Matched
from reconciler.processors import results
from reconciler.workspace.fields import digest_fields
from reconciler.workspace.reading import BLOCK


def publish_results(
    ctx: Context,
    files: Mapping[Role, FileFact],
    origin: results.Origin,
    child_of: ChildOf,
    known: Matched | None = None,
) -> dict[str, object]:
    """
    Publish the results file of one batch.

    Args:
        ctx: Rooms and settings.
        files: The triple; its ids are known to match, and its answers are held to nothing.
        origin: What all lines share.
        child_of: The retry child that asks an unanswered id again, by its hash and place.
        known: The verdict that this pass has drawn on these files.

    Returns:
        Path, size and SHA-256 of what was published.
    """
    answers = places(ctx, files, None, known, keep=True)
    rows = _Rows(ctx, files, answers, origin, child_of)
    path = results.published_as(origin.batch)
    published = {"path": path, **digest_fields(ctx.fx.publish(path, rows.lines(), replace=True))}
    # They are on disk now; what else happens to the batch must not keep them in memory.
    rows.answers.heads = None
    return published


def results_blocks(
    view: View, files: Mapping[Role, FileFact], origin: results.Origin, child_of: ChildOf
) -> Iterator[bytes]:
    """The same lines for who only looks, in blocks; answers are looked for anew."""
    return _Rows(view, files, places(view, files, None, None), origin, child_of).lines()


@attrs.frozen
class _Rows:
    """The results file of one batch, line by line."""

    view: View
    files: Mapping[Role, FileFact]
    answers: Answers
    origin: results.Origin
    child_of: ChildOf

    def lines(self) -> Iterator[bytes]:
        """Every line, in blocks: made while matching, composed of JSON text, or written anew."""
        answers, heads = self.answers, self.answers.heads
        shared = results.tail_of_plain(self.origin)
        names = silent(self.view, self.files, answers)
        with opened(self.view, self.files) as read:
            by_code = {code: read[role] for role, code in ROLE_CODES.items() if role in read}
            parts: list[bytes] = []
            size = 0
            for at, code in enumerate(answers.roles):
                head = None
                if heads is not None:
                    head = heads[at]
                elif code and not answers.failed[at]:
                    raw = by_code[code](answers.offsets[at], answers.sizes[at] + 1)
                    head = results.head_of_line(raw, self.view.native)
                if head is None:
                    line = self._line(at, names, read)
                    parts.append(line)
                    size += len(line)
                else:
                    parts += (head, shared)
                    size += len(head) + len(shared)
                if size >= BLOCK:
                    yield b"".join(parts)
                    parts, size = [], 0
            yield b"".join(parts)

    def _line(self, at: int, names: Mapping[int, str], read: Mapping[Role, Read]) -> bytes:
        """A line that is not a plain answer's."""
        place, result = self.answers.place(at), self.answers.failures_read.get(at)
        if result is None and place is not None:
            result = read_result(place, self.files, read)
        custom_id = names[at] if result is None else result.custom_id
        child = None
        if place is None or place.failed is not None:
            child = self.child_of(self.answers.hashed(at), place)
        return results.line_of(custom_id, result, self.origin, child)
