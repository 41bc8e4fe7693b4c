"""
The decision about one batch: what to do now, why, and what comes next.

Pure. Waiting is a value, not an error, and planning again is the engine's loop, not an operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

import attrs

from reconciler.model.identity import BatchName
from reconciler.model.trouble import Trouble

if TYPE_CHECKING:
    from reconciler.model.operation import Operation


@attrs.frozen
class Again:
    """Once the steps are done, look again: what they find decides the rest."""


@attrs.frozen
class Settled:
    """Nothing is left to do for this batch."""


@attrs.frozen
class Waiting:
    """
    Time or the provider will end it.

    Attributes:
        until: When to look again, in seconds since the epoch.
        behind: Other batches of the workspace have to move on first, and nothing else.
    """

    until: float
    behind: bool = False


@attrs.frozen
class Held:
    """
    Only a person can move it on; nothing is wrong with its files.

    Attributes:
        hint: What to type or change.
        trouble: What stands in the way, in one word.
    """

    hint: str
    trouble: Trouble = Trouble.HELD


@attrs.frozen
class Attention:
    """
    Something is wrong; the files stay where they are.

    Attributes:
        hint: What to type or change.
        trouble: What is wrong, in one word.
    """

    hint: str
    trouble: Trouble = Trouble.OTHER


Then: TypeAlias = Again | Settled | Waiting | Held | Attention


@attrs.frozen
class Plan:
    """
    An ordered list of operations for one batch.

    Attributes:
        name: The batch.
        because: Why, in one sentence.
        steps: What to do, in order; execution stops at the first that fails.
        then: What comes after the steps.
    """

    name: BatchName
    because: str
    steps: tuple[Operation, ...] = ()
    then: Then = Again()

    def explain(self) -> str:
        """
        The plan in a few lines: where the batch stands and why, the numbered steps, what a person may do.

        Returns:
            Text without a trailing newline.
        """
        from reconciler.model.operation import MoveToDone, Quarantine  # noqa: PLC0415 - some thirty classes

        lines = [f"{self.name}: {word_of(self.then)}: {self.because}"]
        lines += [f"  {number}. {step.verb}" for number, step in enumerate(self.steps, 1)]
        ends = self.steps and isinstance(self.steps[-1], MoveToDone | Quarantine)
        if isinstance(self.then, Again) and not ends:
            lines.append("  then look again, and decide by what was found")
        lines += [f"  -> {way}" for way in hint_of(self.then).splitlines()]
        return "\n".join(lines)


def word_of(then: Then) -> str:
    """One word for what comes after a plan."""
    match then:
        case Again():
            return "pending"
        case Settled():
            return "settled"
        case Waiting():
            return "waiting"
        case Held():
            return "held"
        case Attention():
            return "needs attention"
        case _:
            assert_never(then)


def hint_of(then: Then) -> str:
    """What a person could type or change, empty when nothing is asked of them."""
    return then.hint if isinstance(then, Held | Attention) else ""
