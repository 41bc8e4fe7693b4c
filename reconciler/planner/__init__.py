"""
Decide what each batch still needs.

Pure: `plan(snapshot, policy)` reads nothing, writes nothing, logs nothing. See docs/architecture.md, floor 3.
"""

from reconciler.planner.answers import next_child
from reconciler.planner.explain import explain, hint_of, word_of
from reconciler.planner.glance import plan_at_a_glance
from reconciler.planner.person import plan_match, plan_retry
from reconciler.planner.planner import plan

__all__ = [
    "explain",
    "hint_of",
    "next_child",
    "plan",
    "plan_at_a_glance",
    "plan_match",
    "plan_retry",
    "word_of",
]
