"""
What one batch says of its requests: from its own files, from what it published, or from its input alone.

A pure read. Kept per id is where its line stands and nothing more; lines are read when they are wanted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

import attrs

from reconciler.errors import PermanentError
from reconciler.executor.answers import Read, opened, read_result
from reconciler.executor.asked import Asked
from reconciler.executor.context import View
from reconciler.executor.lineages import Member
from reconciler.executor.matching import match
from reconciler.executor.published import Published, has_values, published_of
from reconciler.model.answers import Answers
from reconciler.model.coverage import NOTHING, Coverage, FileDigest
from reconciler.model.exchange import Result
from reconciler.model.identity import Role
from reconciler.model.outcome import Outcome
from reconciler.model.record import Submission
from reconciler.model.rows import ResultRow, Standing
from reconciler.model.snapshot import Place
from reconciler.processors.results import published_as
from reconciler.workspace import settled

_UNDER_WAY: Final = frozenset({Submission.CREATING, Submission.SUBMITTED})


class Source(Protocol):
    """
    What one batch says of its requests, by their position in its input, from 0.

    Attributes:
        digests: The 16-byte digest of each request's id, one after the other.
        asked: Size and SHA-256 of the input.
        problems: What could not be read, for people.
    """

    @property
    def digests(self) -> bytes | bytearray:
        """The 16-byte digest of each request's id."""

    @property
    def asked(self) -> FileDigest | None:
        """Size and SHA-256 of the input."""

    @property
    def problems(self) -> list[str]:
        """What could not be read."""

    def standing(self, at: int) -> Standing:
        """Where the request stands as far as this batch knows; nothing is said of its children."""

    def told(self, at: int) -> bool:
        """Whether a line stands here that says what became of it."""

    def row(self, at: int) -> ResultRow:
        """What that line says."""


@attrs.frozen
class Untold:
    """A batch of which the ids are all that counts."""

    digests: bytes | bytearray
    asked: FileDigest | None
    everywhere: Standing
    problems: list[str] = attrs.field(factory=list)

    def standing(self, at: int) -> Standing:  # noqa: ARG002 - as every source
        """The same for every request."""
        return self.everywhere

    def told(self, at: int) -> bool:  # noqa: ARG002 - as every source
        """No line stands here."""
        return False

    def row(self, at: int) -> ResultRow:
        """No line stands here."""
        raise PermanentError(f"request {at} has no line here")


@attrs.frozen
class Raw:
    """
    The files of a batch whose ids match.

    Attributes:
        member: The batch.
        answers: Where each answer stands.
        asked: Of its input.
        given_up: A person has dismissed its failures.
        silent: What it means that no line speaks of a request.
        read: Reads its answer files.
        values: What processors made of its answers, where they did.
    """

    member: Member
    answers: Answers
    asked: FileDigest | None
    given_up: bool
    silent: Standing
    read: Mapping[Role, Read] = attrs.field(factory=dict)
    values: Published | None = None
    problems: list[str] = attrs.field(factory=list)

    @property
    def digests(self) -> bytearray:
        """The 16-byte digest of each request's id."""
        return self.answers.digests

    def standing(self, at: int) -> Standing:
        """Where the request stands as far as this batch knows."""
        if not self.answers.roles[at]:
            return self.silent
        if not self.answers.failed[at]:
            return Standing.ANSWERED
        return Standing.DISMISSED if self.given_up else Standing.FAILED

    def told(self, at: int) -> bool:
        """Whether an answer line speaks of it."""
        return bool(self.answers.roles[at])

    def result(self, at: int) -> Result:
        """The answer line of a request, normalised."""
        place = self.answers.place(at)
        if place is None:
            raise PermanentError(f"request {at} of {self.member.name} has no line here")
        return read_result(place, self.member.files, self.read, self.answers.extraction)

    def row(self, at: int) -> ResultRow:
        """What the answer line says."""
        result = self.result(at)
        answered = result.outcome is Outcome.ANSWERED
        value = result.value
        if answered and self.values is not None:
            value = self.values.line(at).get("value")
        bare = answered and result.text is None and result.refusal is None and not result.tool_calls
        return ResultRow(
            custom_id=result.custom_id,
            outcome=self.standing(at),
            text=result.text,
            value=value if answered else None,
            finish_reason=result.finish_reason,
            refusal=result.refusal,
            tool_calls=result.tool_calls or None,
            usage=result.usage,
            model=result.model,
            provider=self.member.provider,
            batch=self.member.name,
            attempt=self.member.attempt,
            error_class=None if result.error_class is None else result.error_class.value,
            error_code=result.error_code,
            error_message=result.error_message,
            body=result.body if bare else None,
            citations=result.citations or None,
            citation_mappings=result.citation_mappings or None,
        )


@contextlib.contextmanager
def source_of(view: View, member: Member, *, finished: bool) -> Iterator[Source]:
    """
    What a batch says, its files open as long as this lasts.

    Args:
        view: Rooms and settings.
        member: The batch.
        finished: Of a batch that has not settled, only its ids count.

    Raises:
        PermanentError: Nothing of it can be read, or what is there cannot be trusted.
        StaleSnapshot: A file was written to meanwhile.
    """
    if member.problem:
        raise PermanentError(member.problem)
    if member.set_aside and not (finished and member.place is not Place.DONE):
        gone = Standing.DISMISSED if member.place is Place.DONE else Standing.QUARANTINED
        yield _untold(view, member, gone)
    elif member.manifest is not None:
        with _settled(view, member, member.manifest.coverage) as source:
            yield source
    elif finished or not any(role is not Role.INPUT for role in member.files):
        yield _untold(view, member, _waiting(member))
    else:
        with _matched(view, member) as source:
            yield source


def _waiting(member: Member) -> Standing:
    """Where the requests of a batch without answers stand."""
    record = member.record
    if record is None or record.state is Submission.REJECTED:
        return Standing.PENDING
    # A run on this machine has a status and no submission.
    sent = record.state in _UNDER_WAY or (record.state is None and record.status is not None)
    return Standing.IN_FLIGHT if sent else Standing.PENDING


def _untold(view: View, member: Member, standing: Standing, problem: str = "") -> Untold:
    """A batch of which only the ids count."""
    fact = member.files.get(Role.INPUT)
    if fact is None:
        raise PermanentError(f"{member.folder}/: the input of {member.name} is not there")
    asked = Asked(view, fact)
    if asked.bad:
        raise PermanentError(asked.bad[0])
    return Untold(asked.digests, asked.digest, standing, [problem] if problem else [])


@contextlib.contextmanager
def _matched(view: View, member: Member) -> Iterator[Source]:
    """A live batch with answers: they count if they match its input, whether a pass has seen it or not."""
    account = None if member.record is None else member.record.coverage
    held = None if member.record is None else member.record.held_to
    matched = match(view, member.files, None, held)
    coverage, answers = matched.coverage, matched.answers
    if coverage is None or answers is None:
        raise PermanentError("; ".join(matched.bad_input))
    if matched.mismatch is not None:
        told = f"the answers of {member.name} do not match its input; none of them counts"
        yield _untold(view, member, Standing.PENDING, told)
        return
    dismissed = {} if member.record is None else member.record.dismissed
    silent = Standing.DISMISSED if "missing" in dismissed else Standing.MISSING
    given_up = "failed" in dismissed and account is not None and account.failed == NOTHING
    with _opened(view, Raw(member, answers, coverage.digests[Role.INPUT], given_up, silent)) as source:
        yield source


@contextlib.contextmanager
def _settled(view: View, member: Member, account: Coverage) -> Iterator[Source]:
    """A settled batch: from its files, or from what it published where they were removed."""
    kept = account.digests
    if Role.INPUT not in kept:
        message = f"{member.folder}/{settled.MANIFEST} does not say what the input was"
        raise PermanentError(message, hint="reconcile check WORKSPACE")
    if not kept.keys() <= member.files.keys():
        with published_of(view, member) as published:
            if published is None:
                message = f"{member.folder}/: its files are gone, and so is what it published"
                raise PermanentError(message, hint=f"restore {published_as(member.name)}")
            yield published
        return
    files = {role: fact for role, fact in member.files.items() if role in kept}
    matched = match(view, files, None, account.extraction)
    coverage, answers = matched.coverage, matched.answers
    same = coverage is not None and coverage.digests == kept
    if answers is None or matched.mismatch is not None or not same:
        message = f"{member.folder}/: its files are not those that settled"
        raise PermanentError(message, hint="reconcile check WORKSPACE")
    dismissed = account.dismissed != NOTHING
    given_up = dismissed and account.failed == NOTHING
    silent = Standing.DISMISSED if dismissed else Standing.MISSING
    with _opened(view, Raw(member, answers, kept[Role.INPUT], given_up, silent)) as source:
        yield source


@contextlib.contextmanager
def _opened(view: View, raw: Raw) -> Iterator[Source]:
    """The same with its files open, and with the values that were published of it."""
    member, answers = raw.member, raw.answers
    answers.heads = None
    problems: list[str] = []
    with contextlib.ExitStack() as stack:
        values: Published | None = None
        if has_values(member):
            values = stack.enter_context(published_of(view, member))
            if values is None or values.digests != answers.digests:
                values = None
                problems.append(
                    f"{published_as(member.name)} is not what was published; its values are left out"
                )
        read = stack.enter_context(opened(view, member.files))
        yield attrs.evolve(raw, read=read, values=values, problems=problems)
