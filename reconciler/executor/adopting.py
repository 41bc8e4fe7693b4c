"""
Take over a results file that a person has downloaded, from wherever it lies.

It is held against the ids of the input first, and split by what became of each request, as a download is. The
file itself is read and never moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Final

import attrs

from reconciler.codec.result import decode_verdict
from reconciler.errors import PermanentError
from reconciler.executor.arriving import Arrival, Digests, Names, intents_of
from reconciler.executor.context import Run, View
from reconciler.executor.inputs import check_input
from reconciler.executor.reading import Lines
from reconciler.model.coverage import FileDigest
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, Role
from reconciler.model.operation import AdoptFile
from reconciler.model.receipt import Receipt
from reconciler.model.record import Record
from reconciler.model.snapshot import Mismatch
from reconciler.model.words import many
from reconciler.planner.answers import describe
from reconciler.workspace import ledger
from reconciler.workspace.reading import Reading

EXAMPLES: Final = 3
"""How many lines of each kind are named; the rest is counted."""


def adopt_file(step: AdoptFile, run: Run) -> Receipt:
    """
    Make the answers of a batch out of a file of results.

    Raises:
        PermanentError: It holds something else than answers to this input; nothing was changed.
        StaleSnapshot: It was written to meanwhile.
    """
    ctx = run.ctx
    record = ctx.record(step.name) or Record(step.name)
    ids: list[str] = []
    asked = check_input(ctx, step.expects.files[Role.INPUT], lambda request, _: ids.append(request.custom_id))
    if record.input is not None and record.input != asked:
        raise PermanentError(f"the input of {step.name} is not the one that its metadata knows")
    names = Names(intents_of(run, attrs.evolve(record, input=asked)), ids)
    folder, _, leaf = step.path.rpartition("/")
    arrival = Arrival(run, step.name)
    with closing(Reading(folder or "/")) as look:
        view, fact = ctx.elsewhere(look, leaf)
        digest, answered = _held_to_ids(view, fact, step, names)
        try:
            roles = arrival.split(lambda: Lines(view, fact), leaf, names)
            if answered < asked.requests:
                # What it lacks may stand in the other file, which the provider may still have.
                roles = {role: found for role, found in roles.items() if found is not None}
            _refuse_others(step, record, roles)
            after = attrs.evolve(record, input=asked, roles={**record.roles, **roles})
            arrival.publish(record, after, step.expects.files)
        finally:
            arrival.drop()
    ledger.append_once(ctx.fx, ctx.history, "batch.adopted", step.name, file=leaf, sha256=digest.sha256)
    told = f"{arrival.told(roles)} adopted from {step.path}"
    if answered < asked.requests:
        told += f"; {many(asked.requests - answered, 'request')} without an answer in it"
    return Receipt(step.name, step.verb, told, {role.value: arrival.lines.get(role, 0) for role in roles})


def _held_to_ids(view: View, fact: FileFact, step: AdoptFile, names: Names) -> tuple[FileDigest, int]:
    """
    The digest of the file, and how many requests it answers.

    Raises:
        PermanentError: A line cannot be read, or answers what was not asked here, or not once.
    """
    wanted, seen = set(names.names), set[str]()
    found: dict[str, list[str]] = {"unknown": [], "duplicate": []}
    total = dict.fromkeys(found, 0)
    lines = Lines(view, fact, digest=True)
    for line in lines:
        own = names.own(decode_verdict(line, fact.path).custom_id)
        kind = "unknown" if own not in wanted else "duplicate" if own in seen else ""
        seen.add(own)
        if kind:
            total[kind] += 1
            found[kind] += [f'"{own}" ({fact.path}:{line.number})'][: EXAMPLES - len(found[kind])]
    if not seen:
        raise PermanentError(f"{step.path} holds no answer; nothing was adopted")
    if any(total.values()):
        told = describe(Mismatch(total=total, **{kind: tuple(each) for kind, each in found.items()}))
        hint = f"it has to be the results of batch_input_{step.name}.jsonl, and of nothing else"
        raise PermanentError(f"{step.name}: {told}; nothing was adopted", hint=hint)
    return lines.digest, len(seen)


def _refuse_others(step: AdoptFile, record: Record, roles: Digests) -> None:
    """
    Hold what was made of the file against what metadata knows.

    Raises:
        PermanentError: The batch had other answers before.
    """
    known: Mapping[Role, FileDigest | None] = record.roles
    for role in ANSWERS:
        if known.get(role) is not None and roles.get(role) != known[role]:
            told = f"{step.path} is not the {role.value} that {step.name} had before; nothing was adopted"
            raise PermanentError(told, hint="put the earlier file back")
