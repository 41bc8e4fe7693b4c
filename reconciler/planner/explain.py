"""
A plan in words.

Pure. The words here are the ones that users see in `reconcile plan` and `reconcile status`.
"""

from __future__ import annotations

from typing import assert_never

from reconciler.model.operation import MoveToDone, Quarantine
from reconciler.model.plan import Again, Attention, Held, Plan, Settled, Then, Waiting


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


def explain(plan: Plan) -> str:
    """
    The whole plan in a few lines: where the batch stands and why, the numbered steps, what a person may do.

    Returns:
        Text without a trailing newline.
    """
    lines = [f"{plan.name}: {word_of(plan.then)}: {plan.because}"]
    lines += [f"  {number}. {step.verb}" for number, step in enumerate(plan.steps, 1)]
    ends = plan.steps and isinstance(plan.steps[-1], MoveToDone | Quarantine)
    if isinstance(plan.then, Again) and not ends:
        lines.append("  then look again, and decide by what was found")
    lines += [f"  -> {way}" for way in hint_of(plan.then).splitlines()]
    return "\n".join(lines)
