"""
Batches that user code has begun on, in a pass that names none: they stay that code's.

Pure. What such code has ended stands in a receipt, and counts; what it has not, nobody else takes over
because a flag was left out (docs/decisions/0091-code-that-began-a-batch.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from reconciler.model.changes import VERB, read_by, read_changes
from reconciler.model.content import Content
from reconciler.model.coverage import NOTHING, Coverage, Tally
from reconciler.model.identity import BatchName
from reconciler.model.operation import ProcessErrors, ProcessOutput
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Held, Plan
from reconciler.model.policy import Policy
from reconciler.model.receipt import STARTED, invocation_token
from reconciler.model.record import Record
from reconciler.model.words import pasted

_RESULTS: Final = "results/"
_FILES: Final = "files/"
_READ_AS: Final = tuple(f"+{each.value}" for each in Content if each is not Content.TEXT)
_PROGRAM: Final = "run what began it again: the same program, or the same command"


@attrs.frozen
class _Left:
    """
    Code that is open on a batch.

    Attributes:
        identity: Its name and version.
        lacks: What today's call says instead.
        on: What a person adds to a command to go on with it, None where nothing can be typed.
        off: The same to go on without it.
        before: Whether that stands in front of the command.
    """

    identity: str
    lacks: str
    on: str | None
    off: str
    before: bool = False


def plan_unnamed(
    name: BatchName, record: Record | None, coverage: Coverage, policy: Policy, classes: frozenset[ErrorClass]
) -> Plan | None:
    """Hold a batch that code has begun on and not ended, where nobody names any; None where it is not so."""
    if record is None or not record.receipts:
        return None
    left = (*_output(name, record, coverage, policy), *_errors(name, record, coverage, policy, classes))
    left += tuple(_transforms(record, coverage, policy))
    if not left:
        return None
    because = "; ".join(f"{each.identity} began on it, and {each.lacks}" for each in left)
    ways = [f"{_command(name, left, [each.off for each in left])}    goes on without it"]
    on = [each.on for each in left if each.on is not None]
    ways.insert(0, f"{_command(name, left, on)}    goes on with it" if len(on) == len(left) else _PROGRAM)
    return Plan(name, because, then=Held("\n".join(ways)))


def ended_unnamed(
    name: BatchName, record: Record | None, coverage: Coverage, policy: Policy
) -> Mapping[str, Any] | None:
    """
    The receipt of another output processor that has ended on these very files, where none is named today.

    A pass that was merely started without the flag must neither publish over what that one made of the
    answers nor settle what it could not handle.
    """
    found = unnamed_output(record, policy)
    if record is None or found is None or found.get("state") == STARTED:
        return None
    identity = str(found["processor"])
    plain = read_as(identity) is None and identity.startswith(_FILES)
    owners = record.children if plain else ()
    token = invocation_token(name, identity, coverage.digests, owners, coverage.extraction)
    return found if found.get("token") == token else None


def asker_of(record: Record | None, policy: Policy) -> str | None:
    """Who decides about failures: today's error processor, or the one that began, where none is named."""
    found = {} if record is None or policy.error_named else record.receipts.get(ProcessErrors.verb, {})
    return policy.error_processor or found.get("processor")


def asking_token(name: BatchName, asker: str, coverage: Coverage, classes: frozenset[ErrorClass]) -> str:
    """What makes one invocation of an error processor the same as another."""
    parts = " ".join([asker, *sorted(each.value for each in classes)])
    return invocation_token(name, parts, coverage.digests, extraction=coverage.extraction)


def unnamed_output(record: Record | None, policy: Policy) -> Mapping[str, Any] | None:
    """What an output processor left behind that today's call does not name, nor another in its place."""
    found = {} if record is None else record.receipts.get(ProcessOutput.verb, {})
    identity = str(found.get("processor", policy.processor))
    built_in = identity.startswith((_RESULTS, _FILES))
    if identity == policy.processor or (identity.startswith(_RESULTS) and read_as(identity) is None):
        return None
    return None if policy.processor_named or (built_in and policy.processor_chosen) else found


def read_as(identity: str) -> str | None:
    """What answers were read as, None for text."""
    return next((each[1:] for each in _READ_AS if identity.endswith(each)), None)


def typed_output(found: Mapping[str, Any]) -> str | None:
    """The flags that name the output processor of a receipt; None where nobody could type them."""
    identity = str(found.get("processor", ""))
    kind = read_as(identity)
    built_in = next((word[:-1] for word in (_RESULTS, _FILES) if identity.startswith(word)), None)
    named = built_in or found.get("named")
    content = "" if kind is None else f" --content {kind}"
    if named == _RESULTS[:-1] and content:
        return content.strip()
    return f"--output-processor {pasted(named)}{content}" if named else None


def typed_plain(found: Mapping[str, Any]) -> str:
    """The flags that name the built-in `results` in place of the output processor of a receipt."""
    content = "" if read_as(str(found.get("processor", ""))) is None else " --content text"
    return f"--output-processor results{content}"


def typed_asker(found: Mapping[str, Any]) -> str | None:
    """The flag that names the error processor of a receipt; None where nobody could type it."""
    named = found.get("named")
    return f"--error-processor {pasted(named)}" if named else None


# Within


def _output(name: BatchName, record: Record, coverage: Coverage, policy: Policy) -> Iterator[_Left]:
    """The output processor."""
    found = unnamed_output(record, policy)
    if found is None or ended_unnamed(name, record, coverage, policy) is not None:
        return
    lacks = "no output processor is named here"
    yield _Left(str(found["processor"]), lacks, typed_output(found), typed_plain(found))


def _errors(
    name: BatchName, record: Record, coverage: Coverage, policy: Policy, classes: frozenset[ErrorClass]
) -> Iterator[_Left]:
    """The error processor."""
    asker = asker_of(record, policy)
    if policy.error_processor is not None or asker is None or coverage.failed == NOTHING:
        return
    found = record.receipts[ProcessErrors.verb]
    if found.get("token") == asking_token(name, asker, coverage, classes) and found.get("state") != STARTED:
        return
    yield _Left(asker, "no error processor is named here", typed_asker(found), "--error-processor summary")


def _transforms(record: Record, coverage: Coverage, policy: Policy) -> Iterator[_Left]:
    """The code that changes failed requests: open for what it has neither changed nor given up."""
    found = record.receipts.get(VERB, {})
    by = read_by(found.get("by", {}))
    given_up = [hashed for each in read_changes(found).kept if not each.attention for hashed in each.ids]
    if coverage.failed_in(by) - Tally.of(given_up) == NOTHING:
        return
    for failed, identity in sorted(by.items()):
        named_today = failed in policy.transforms or failed in policy.classes_named
        if named_today or coverage.failed_in({failed}) == NOTHING:
            continue
        variable = f"RECONCILER_POLICY_CLASSES_{failed.name}"
        named = found.get("named", {}).get(failed.value)
        on = f"{variable}={pasted(named)}" if named else None
        lacks = f"[policy.classes] {failed} names no code here"
        yield _Left(identity, lacks, on, f"{variable}=never", before=True)


def _command(name: BatchName, left: tuple[_Left, ...], words: list[str]) -> str:
    """A pass over one batch with what was left out."""
    front = "".join(f"{word} " for each, word in zip(left, words, strict=True) if each.before)
    flags = "".join(f" {word}" for each, word in zip(left, words, strict=True) if not each.before)
    return f"{front}reconcile run WORKSPACE --only {name}{flags}"
