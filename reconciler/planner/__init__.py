"""
Decide what each batch still needs.

Pure: `plan(snapshot, policy)` reads nothing, writes nothing, logs nothing. See docs/architecture.md, floor 3.
"""

from reconciler.planner.changing import changed_by, changing_token, known_changes
from reconciler.planner.crowding import in_turn
from reconciler.planner.following import held_by_canary
from reconciler.planner.glance import plan_at_a_glance
from reconciler.planner.person import mend_or_name, plan_match, plan_retry
from reconciler.planner.planner import plan
from reconciler.planner.remotely import (
    plan_adopt,
    plan_adopt_file,
    plan_cancel,
    plan_resubmit,
    plan_submit,
)
from reconciler.planner.replaying import plan_replay
from reconciler.planner.rescuing import live_refused, plan_rescue
from reconciler.planner.retaining import plan_removal
from reconciler.planner.safety import extraction_of
from reconciler.planner.settling import next_child

__all__ = [
    "changed_by",
    "changing_token",
    "extraction_of",
    "held_by_canary",
    "in_turn",
    "known_changes",
    "live_refused",
    "mend_or_name",
    "next_child",
    "plan",
    "plan_adopt",
    "plan_adopt_file",
    "plan_at_a_glance",
    "plan_cancel",
    "plan_match",
    "plan_removal",
    "plan_replay",
    "plan_rescue",
    "plan_resubmit",
    "plan_retry",
    "plan_submit",
]
