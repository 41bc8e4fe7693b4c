"""`reconcile resume`: let batches be sent again to where others were refused, every request alike."""

from __future__ import annotations

from reconciler.config import Settings
from reconciler.session import Options, session
from reconciler.workspace import ledger, walls


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
    return tuple(told)
