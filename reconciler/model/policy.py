"""
The user's choices that change plans.

Pure. Everything a plan depends on besides the snapshot stands here.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from reconciler.model.extraction import Extraction
from reconciler.model.outcome import DEFAULT_CLASSES, ClassPolicy, ErrorClass, retryable_classes


class SubmitPolicy(enum.StrEnum):
    """Who decides that a batch is sent."""

    AUTO = "auto"
    MANUAL = "manual"


class FailurePolicy(enum.StrEnum):
    """What failures for good, or answers that nobody could handle, do to their batch."""

    SETTLE = "settle"
    ATTENTION = "attention"


class InDoubtPolicy(enum.StrEnum):
    """What happens when a create may have left and nobody can find what came of it."""

    HOLD = "hold"
    RESUBMIT = "resubmit"


class RetainPolicy(enum.StrEnum):
    """What becomes of the JSONL of settled batches."""

    KEEP = "keep"
    REMOVE = "remove"


NO_PROVIDER = "none"
LOCAL = "local"

ECHO = "echo"
"""The built-in worker that gives requests back, and stands in for any other."""


@attrs.frozen
class Typed:
    """
    What a person adds to a command, so that it is given what a call was given.

    Attributes:
        flags: Flags with their values, by what they are for.
        before: Variables that stand in front of the command.
        whole: False where a program has handed over what nobody could type.
    """

    flags: Mapping[str, str] = attrs.field(factory=dict)
    before: tuple[str, ...] = ()
    whole: bool = True

    def adding(self, what: str, flag: str | None) -> Typed:
        """With a flag, None where it cannot be typed."""
        flags = self.flags if flag is None else {**self.flags, what: flag}
        return attrs.evolve(self, flags=flags, whole=self.whole and flag is not None)

    def before_it(self, variable: str | None) -> Typed:
        """With a variable in place of an earlier one of that name, None where it cannot be typed."""
        if variable is None:
            return attrs.evolve(self, whole=False)
        start = variable.partition("=")[0] + "="
        return attrs.evolve(
            self, before=(*(each for each in self.before if not each.startswith(start)), variable)
        )

    def command(self, words: str) -> str:
        """`reconcile` and *words* with all of it; empty where some of it cannot be typed."""
        return " ".join([*self.before, "reconcile", words, *self.flags.values()]) if self.whole else ""


@attrs.frozen
class Policy:
    """
    What the planner may decide by itself.

    Attributes:
        provider: The provider to send to; `none` sends nothing and echoes nothing.
        reachable: Providers for which a client is at hand in this process.
        keyless: Providers that only lack a key, and where it is looked for.
        submit: `manual` holds a batch until a person submits it.
        max_attempts: Sends of one request, the first included.
        classes: What is done about failures of each class when they are sent as they are.
        transforms: Name and version of the code that changes the failed requests of a class; they are sent
            again changed, and never as they are.
        classes_named: The classes for which the user says what is done.
        failed: Whether failures for good hold the batch back.
        settle_seconds: An input younger than this may still be being written.
        poll_seconds: How long to wait between two looks at a remote batch.
        processor: Name and version of the output processor, and of what it reads answers as.
        processor_may_fail: It may be unable to handle an answer, so a batch moves only once it has ended.
        processor_chosen: The user named it, or what it reads, in a setting or in this call.
        processor_named: The user named the processor itself.
        error_processor: Name and version of a custom error processor, None for the built-in summary.
        error_named: The user named the error processor, be it the built-in one.
        on_failure: Whether answers that the processor could not handle hold their batch back.
        probe_batches: How many batches go ahead until one of them is answered; 0 for any number.
        max_in_flight: How many batches may be at one provider at once; 0 for any number.
        max_enqueued_tokens: About how many tokens may be there for one model; 0 for any number.
        in_doubt: What happens when it has not been found by then.
        in_doubt_grace_seconds: How long a create that may have left is waited for.
        extraction: What answers are held to, None for nothing.
        extraction_chosen: Some setting says so, or says that they are held to nothing.
        rescue_after_seconds: How long after it was sent a batch without its answers is rescued; 0 for never.
        stoppable: Providers that can be asked to stop a batch.
        worker: What answers live: the name of a built-in worker or of code, `module:function`; or, of a
            function that a program has handed over, `module.function()`.
        worker_chosen: The user chose it, so that it is no stand-in.
        retain: What becomes of the JSONL of settled batches.
        retain_seconds: How long after settling it is kept all the same.
        typed: What this call was given, as a person types it.
    """

    provider: str = NO_PROVIDER
    reachable: frozenset[str] = frozenset()
    keyless: Mapping[str, str] = attrs.field(factory=dict)
    submit: SubmitPolicy = SubmitPolicy.AUTO
    max_attempts: int = 3
    classes: Mapping[ErrorClass, ClassPolicy] = DEFAULT_CLASSES
    transforms: Mapping[ErrorClass, str] = attrs.field(factory=dict)
    classes_named: frozenset[ErrorClass] = frozenset()
    failed: FailurePolicy = FailurePolicy.SETTLE
    settle_seconds: float = 2.0
    poll_seconds: float = 60.0
    processor: str = "results/1"
    processor_may_fail: bool = False
    processor_chosen: bool = False
    processor_named: bool = False
    error_processor: str | None = None
    error_named: bool = False
    on_failure: FailurePolicy = FailurePolicy.ATTENTION
    probe_batches: int = 0
    max_in_flight: int = 0
    max_enqueued_tokens: int = 0
    in_doubt: InDoubtPolicy = InDoubtPolicy.HOLD
    in_doubt_grace_seconds: float = 600.0
    extraction: Extraction | None = None
    extraction_chosen: bool = False
    rescue_after_seconds: float = 0.0
    stoppable: frozenset[str] = frozenset()
    worker: str = ECHO
    worker_chosen: bool = False
    retain: RetainPolicy = RetainPolicy.KEEP
    retain_seconds: float = 0.0
    typed: Typed = attrs.field(factory=Typed)

    @property
    def configured(self) -> bool:
        """Whether the user chose a provider at all."""
        return self.provider != NO_PROVIDER

    @property
    def looked_at(self) -> frozenset[ErrorClass]:
        """The classes whose failures keep their batch until a person has looked."""
        if self.failed is FailurePolicy.ATTENTION:
            return frozenset(ErrorClass)
        return frozenset(each for each, word in self.classes.items() if word is ClassPolicy.ATTENTION)

    def may_ask_again(self, attempt: int) -> frozenset[ErrorClass]:
        """The classes that may be sent again after *attempt* sends, the first included."""
        changed = frozenset(self.transforms) if attempt < self.max_attempts else frozenset()
        return retryable_classes(attempt, self.max_attempts, self.classes) | changed

    def chosen(self, attempt: int, classes: frozenset[ErrorClass] | None) -> frozenset[ErrorClass]:
        """The classes that a person asks again: *classes*, or the table's; none once no send is left."""
        if classes is None:
            return self.may_ask_again(attempt)
        return classes if attempt < self.max_attempts else frozenset()
