"""`reconcile resume`: let batches be sent again to where others were refused, every request alike."""

from __future__ import annotations

import attrs

from reconciler.config import Settings
from reconciler.executor.context import Run
from reconciler.model.plan import Attention
from reconciler.planner import held_by_canary
from reconciler.session import Options, Session, session
from reconciler.workspace import ledger, walls
from reconciler.workspace.observe import observe
from reconciler.workspace.scan import scan


def _released(held: Session) -> list[str]:
    """Let the batches go that a canary holds, and that no pass would let go."""
    told = []
    listing = scan(held.ctx.fx, held.layout)
    for name in listing.batches:
        snap = observe(held.ctx.fx, held.layout, listing, name)
        held_back = held_by_canary(snap, held.policy_of(name))
        if snap.record is not None and held_back is not None and isinstance(held_back.then, Attention):
            Run(held.ctx).publish(attrs.evolve(snap.record, after=None))
            told.append(f"{name} was held: {held_back.because}")
    return told


def resume(path: str, settings: Settings, options: Options | None = None) -> tuple[str, ...]:
    """
    Lift every wall of a workspace, and forget what may become one; nothing is sent before the next pass.

    Returns:
        What was lifted, a line each.

    Raises:
        UserError: There is no workspace, or another reconciler holds it.
    """
    told = []
    with session(path, settings, options or Options()) as held:
        fx = held.ctx.fx
        # What is too little for a wall may be what is left of one that an earlier call was lifting.
        for wall in list(walls.walls(fx, enough=0)):
            first = wall.met[0]
            facts = {"provider": first.provider, "model": first.model, "why": first.error_class.value}
            ledger.append_once(fx, held.ctx.history, "wall.lifted", first.batch, **facts)
            walls.lift(fx, wall)
            told.append(wall.told)
        told += _released(held)
    return tuple(told)
