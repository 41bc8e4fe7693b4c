"""
Batches that user code has been at work on, in a pass that names none: they stay that code's.

Pure. Plans are made as if that code were named, so what it has ended counts. A plan that would have to call
it holds the batch: nobody takes over because a flag was left out. See
docs/decisions/0091-code-that-began-a-batch.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from reconciler.model.changes import VERB, read_by, read_changes
from reconciler.model.coverage import NOTHING, Coverage
from reconciler.model.identity import BatchName
from reconciler.model.operation import ChangeRequests, ProcessErrors, ProcessOutput
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Held, Plan
from reconciler.model.policy import NO_PROVIDER, Policy, Typed
from reconciler.model.receipt import STARTED
from reconciler.model.record import Record
from reconciler.model.words import pasted

_BUILT_IN: Final = re.compile(r"(results|files)/\d+(?:\+(jsonl?))?")
_READ_AS: Final = re.compile(r"\+(jsonl?)\Z")
_PROGRAM: Final = "run what began it again: the same program, or the same command"


@attrs.frozen
class Unnamed:
    """
    What is decided by for one batch.

    Attributes:
        policy: Today's, with the code that was at work on the batch where today's call names none.
        absent: What of it cannot be called today: name and version, by the operation, or by error class.
        off: What a person types to go on without it.
        asked: Who is asked again where the hint is typed; `none` for nobody.
    """

    policy: Policy
    absent: Mapping[str, str] = attrs.field(factory=dict)
    off: Typed = attrs.field(factory=Typed)
    asked: str = NO_PROVIDER

    def of(self, what: str, identity: str, typed: Typed, off: Typed, **fields: Any) -> Unnamed:
        """With one piece of code that is absent."""
        policy = attrs.evolve(self.policy, **fields, typed=typed)
        return Unnamed(policy, {**self.absent, what: identity}, off, self.asked)


def with_unnamed(record: Record | None, policy: Policy) -> Unnamed:
    """What is decided by for the batch of *record*."""
    begun = Unnamed(policy, off=policy.typed, asked=policy.provider)
    if record is None or not record.receipts:
        return begun
    errors, changes = (record.receipts.get(verb, {}) for verb in (ProcessErrors.verb, VERB))
    begun = _with_output(begun, record.receipts.get(ProcessOutput.verb, {}))
    begun = _with_changes(_with_errors(begun, errors), changes)
    asked, typed = errors.get("provider") or changes.get("provider", ""), begun.policy.typed
    if asked.isprintable() and asked and not policy.configured and "provider" not in typed.flags:
        # Without it nobody is asked again, and the code is not asked what to send.
        typed = typed.adding("provider", f"--provider {pasted(asked)}")
        begun = attrs.evolve(begun, asked=asked)
    return attrs.evolve(begun, policy=attrs.evolve(begun.policy, typed=typed))


def held_without(  # noqa: PLR0913 - what a hint hangs on
    decision: Plan,
    begun: Unnamed,
    record: Record | None,
    coverage: Coverage,
    *,
    again_here: bool = True,
    again_there: bool = True,
) -> Plan:
    """
    The plan, or why the batch is held where it would need code that today's call does not name.

    Args:
        decision: The plan as if it were named.
        begun: What it was decided by.
        record: What metadata says of the batch.
        coverage: Its account.
        again_here: Whether anybody is asked again.
        again_there: The same where the hint is typed; else only a person has failures asked again.
    """
    name, left = decision.name, dict(_wanted(decision, begun, coverage))
    changes = {} if record is None else record.receipts.get(VERB, {})
    unasked = _open_changes(changes, coverage, begun, again_here=again_here)
    left |= dict.fromkeys(unasked.values(), "nobody is asked again here")
    if VERB in begun.absent and coverage.failed != NOTHING and not _names_a_class(begun.policy):
        left[begun.absent[VERB]] = "nobody knows whose mark that is"
    if not left:
        return decision
    because = "; ".join(f"{identity} was at work on it, and {lacks}" for identity, lacks in left.items())
    retry = unasked and not again_there
    on = begun.policy.typed.command(f"retry WORKSPACE {name}" if retry else f"run WORKSPACE --only {name}")
    ways = [f"{on}    goes on with it" if on else _PROGRAM]
    off = begun.off
    for failed in sorted(unasked):
        off = off.before_it(f"{_variable(failed)}=never")
    without = off.command(f"run WORKSPACE --only {name}")
    if VERB in begun.absent:
        ways.append("or say in [policy.classes] what becomes of such failures")
    elif without:
        ways.append(f"{without}    goes on without it")
    return Plan(name, because, then=Held("\n".join(ways)))


def once_more(name: BatchName, policy: Policy, what: str) -> str:
    """The command that has code called once more for a batch, with all that was given it."""
    whole = policy.typed.command(f"process WORKSPACE {name}")
    if whole:
        return f"{whole}    to {what} once more"
    return f"reconcile process WORKSPACE {name}    with the same flags, to {what} once more"


def read_as(identity: str) -> str:
    """What an output processor reads answers as, empty for text."""
    found = _READ_AS.search(identity)
    return found[1] if found else ""


def is_built_in(identity: str) -> bool:
    """Whether an output processor is one of ours, by its name and version."""
    return _BUILT_IN.fullmatch(identity) is not None


# Within


def _with_output(begun: Unnamed, receipt: Mapping[str, Any]) -> Unnamed:
    """With the output processor of *receipt*, where today's call names none."""
    identity, policy = receipt.get("processor", ""), begun.policy
    if not _is_left_out(identity, policy):
        return begun
    _, flag, content = policy.typed.flags.get("output", "").rpartition("--content ")
    plain = f"--output-processor results {flag}{content}".strip() if flag else "--output-processor results"
    return begun.of(
        ProcessOutput.verb,
        identity,
        policy.typed.adding("output", _typed_output(receipt, identity, policy)),
        begun.off.adding("output", plain),
        processor=identity,
        processor_may_fail=bool(read_as(identity)) or not is_built_in(identity),
    )


def _with_errors(begun: Unnamed, receipt: Mapping[str, Any]) -> Unnamed:
    """With the error processor of *receipt*, likewise."""
    identity, policy = receipt.get("processor", ""), begun.policy
    if not identity or policy.error_processor is not None or policy.error_named:
        return begun
    named = _named(receipt.get("named"), identity)
    return begun.of(
        ProcessErrors.verb,
        identity,
        policy.typed.adding("errors", f"--error-processor {pasted(named)}" if named else None),
        begun.off.adding("errors", "--error-processor summary"),
        error_processor=identity,
    )


def _with_changes(begun: Unnamed, receipt: Mapping[str, Any]) -> Unnamed:
    """With the transforms of *receipt*, likewise."""
    if receipt.get("state") == STARTED and "by" not in receipt:
        # An earlier version did not write down whose mark it is.
        return begun.of(
            VERB, "code of [policy.classes]", begun.policy.typed.before_it(None), begun.off.before_it(None)
        )
    for failed, identity in sorted(read_by(receipt.get("by", {})).items()):
        policy = begun.policy
        if failed in policy.transforms or failed in policy.classes_named:
            continue
        named = _named(receipt.get("named", {}).get(failed.value), identity)
        begun = begun.of(
            failed.value,
            identity,
            policy.typed.before_it(f"{_variable(failed)}={pasted(named)}" if named else None),
            begun.off.before_it(f"{_variable(failed)}=never"),
            transforms={**policy.transforms, failed: identity},
        )
    return begun


def _wanted(decision: Plan, begun: Unnamed, coverage: Coverage) -> Iterator[tuple[str, str]]:
    """Whom the steps of a plan would call though nobody names them, and what today's call lacks."""
    for step in decision.steps:
        identity = begun.absent.get(step.verb)
        if isinstance(step, ProcessOutput) and identity is not None:
            is_content = is_built_in(identity) and read_as(identity)
            yield identity, f"no {'content' if is_content else 'output processor'} is named here"
        elif isinstance(step, ProcessErrors) and identity is not None:
            yield identity, "no error processor is named here"
        elif isinstance(step, ChangeRequests):
            for failed in sorted(step.by):
                if failed.value in begun.absent and coverage.failed_in({failed}) != NOTHING:
                    yield step.by[failed], f"[policy.classes] {failed} names no code here"


def _open_changes(
    receipt: Mapping[str, Any], coverage: Coverage, begun: Unnamed, *, again_here: bool
) -> Mapping[ErrorClass, str]:
    """Transforms that have begun and not ended well, where nobody is asked again and so none is called."""
    if again_here:
        return {}
    found = read_changes(receipt)
    # Lines that were changed are named until a child has them.
    if not found.attention and receipt.get("state") != STARTED and found.lines is None:
        return {}
    return {
        failed: identity
        for failed, identity in found.by.items()
        if failed in begun.policy.transforms and coverage.failed_in({failed}) != NOTHING
    }


def _names_a_class(policy: Policy) -> bool:
    """Whether anything is said of what becomes of failures."""
    return bool(policy.classes_named or policy.transforms)


def _variable(failed: ErrorClass) -> str:
    """The environment variable that says what becomes of failures of a class."""
    return f"RECONCILER_POLICY_CLASSES_{failed.name}"


def _is_left_out(identity: str, policy: Policy) -> bool:
    """Whether an output processor was at work that neither this call names nor another in its place."""
    plain = is_built_in(identity) and identity.startswith("results/") and not read_as(identity)
    if not identity or plain or identity == policy.processor or policy.processor_named:
        return False
    return not (is_built_in(identity) and policy.processor_chosen)


def _typed_output(receipt: Mapping[str, Any], identity: str, policy: Policy) -> str | None:
    """The flags that name an output processor; None where nobody could type them."""
    found, content = _BUILT_IN.fullmatch(identity), read_as(identity)
    named = found[1] if found else _named(receipt.get("named"), _READ_AS.sub("", identity))
    if not named:
        return None
    words = [] if named == "results" and content else [f"--output-processor {pasted(named)}"]
    if content or read_as(policy.processor):
        words.append(f"--content {content or 'text'}")
    return " ".join(words)


def _named(named: str | None, identity: str) -> str:
    """What a person types for code; empty where it would be another code's, or could not be shown."""
    if named is None or not named.isprintable():
        return ""
    return named if identity.startswith(f"{named.rpartition('/')[2]}/") else ""
