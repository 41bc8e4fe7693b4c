"""The request lines without an answer, as they stand in the input: `reconcile retry --print`; only reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.config import Settings
from reconciler.errors import NeedsPerson, PermanentError, UsageError
from reconciler.executor.answers import left_over, places
from reconciler.executor.context import View, viewing
from reconciler.executor.matching import match
from reconciler.executor.reading import Lines
from reconciler.model.answers import Answers
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.outcome import ErrorClass, parse_classes
from reconciler.model.plan import Attention, hint_of
from reconciler.model.record import Child
from reconciler.model.trouble import Trouble
from reconciler.planner import plan_match
from reconciler.workspace import settled
from reconciler.workspace.observe import TRIPLE, observe
from reconciler.workspace.scan import Listing, scan

SHOWN: Final = 3
"""How many batches that cannot be read are named."""


def failed_requests(
    path: str, settings: Settings, names: Sequence[str] = (), classes: Sequence[str] = ()
) -> Iterator[bytes]:
    """
    The request lines of failed and missing ids that no child asks again, newline included, batch by batch.

    Args:
        path: The workspace; no lock is taken and nothing is touched.
        settings: Every setting.
        names: The batches; none of them: every live and settled one.
        classes: Only failures of these error classes, `missing` for ids without an answer; empty: all.

    Raises:
        UsageError: A name is no batch of the workspace, or a word no error class.
        NeedsPerson: Nobody can say what failed in a batch that was named; or, at the end, one of the others
            cannot be read.
    """
    chosen = parse_classes(classes)
    with viewing(path, settings) as view:
        listing = scan(view.look, view.layout)
        every = [
            *listing.batches,
            *(name for name in settled.names(view.look) if name not in listing.batches),
        ]
        unknown = [name for name in names if name not in every]
        if unknown:
            hint = "reconcile status WORKSPACE --all    lists them"
            raise UsageError(f"no live or settled batch is called {unknown[0]:.100}", hint=hint)
        unread: list[str] = []
        for name in map(BatchName, names or every):
            try:
                found = _live(view, listing, name) if name in listing.batches else _settled(view, name)
            except (NeedsPerson, PermanentError) as error:
                if names:
                    raise
                if not isinstance(error, _Unanswered):
                    unread.append(error.message)
                continue
            yield from _lines(view, *found, chosen)
        if unread:
            told = f"not all could be looked at: {'; '.join(unread[:SHOWN])}"
            raise NeedsPerson(told, hint="reconcile check WORKSPACE")


class _Unanswered(NeedsPerson):
    """Nothing has failed yet, or nobody will ever know: no reason to look at a batch that was not named."""


def _live(view: View, listing: Listing, name: BatchName) -> tuple[FileFact, Answers, dict[BatchName, Child]]:
    """Input, answers and children of a live batch."""
    snap = observe(view.look, view.layout, listing, name)
    refusal = plan_match(snap)
    if refusal is not None and not refusal.steps:
        wrong = isinstance(refusal.then, Attention) and refusal.then.trouble is not Trouble.OTHER
        kind = NeedsPerson if wrong else _Unanswered
        raise kind(f"{name}: {refusal.because}", hint=hint_of(refusal.then))
    account = None if snap.record is None else snap.record.coverage
    matched = match(view, snap.files, snap.record, None if account is None else account.extraction)
    if matched.answers is None or matched.coverage is None or matched.mismatch is not None:
        raise NeedsPerson(f"{name}: its input and answers do not match", hint="reconcile plan WORKSPACE")
    return snap.files[Role.INPUT], matched.answers, dict(snap.record.children if snap.record else {})


def _settled(view: View, name: BatchName) -> tuple[FileFact, Answers, dict[BatchName, Child]]:
    """Input, answers and children of a settled batch."""
    folder = settled.folder_of(name)
    try:
        manifest = settled.read(view.look, name)
    except FileNotFoundError as error:
        raise PermanentError(f"{folder}/ has no {settled.MANIFEST}") from error
    facts = {role: view.look.fact(f"{folder}/{file_name(role, name)}") for role in TRIPLE}
    files = {role: fact for role, fact in facts.items() if fact is not None}
    if Role.INPUT not in files or "quarantine" in manifest.receipts:
        raise _Unanswered(f"{folder}/ cannot tell what was answered: it was given up, or its input is gone")
    return files[Role.INPUT], places(view, files, manifest.coverage), dict(manifest.children)


def _lines(
    view: View,
    asked: FileFact,
    answers: Answers,
    children: dict[BatchName, Child],
    chosen: frozenset[ErrorClass] | None,
) -> Iterator[bytes]:
    """The lines of one input that nobody asks again."""
    found = left_over(view, answers, children)
    wanted = {at for at, why in found.items() if chosen is None or why in chosen}
    if not wanted:
        return
    for at, line in enumerate(Lines(view, asked)):
        if at in wanted:
            yield line.data + b"\n"
