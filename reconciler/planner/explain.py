"""
A plan in words.

Pure. The words here are the ones that users see in `reconcile plan` and `reconcile status`.
"""

from __future__ import annotations

from typing import assert_never

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
    The whole plan in a few lines: why, the numbered steps, what comes next.

    Returns:
        Text without a trailing newline.
    """
    lines = [f"{plan.name}: {plan.because}"]
    lines += [f"  {number}. {step.verb}" for number, step in enumerate(plan.steps, 1)]
    if isinstance(plan.then, Again):
        lines.append("  then look again")
    else:
        lines.append(f"  {'then ' if plan.steps else ''}{word_of(plan.then)}")
    lines += [f"  -> {way}" for way in hint_of(plan.then).splitlines()]
    return "\n".join(lines)
