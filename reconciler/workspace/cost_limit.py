"""
`.reconciler/cost-limit.json`: the limit of cost that was set for this workspace by a call or a command.

Every pass obeys it, whoever makes it. What cannot be read is taken for a limit of nothing.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from reconciler.errors import ReconcilerError
from reconciler.pricing.money import NO_CAP, Cap
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import PRIVATE
from reconciler.workspace.reading import Reading

PATH: Final = f"{PRIVATE}/cost-limit.json"
UNREADABLE: Final = f"{PATH}, which cannot be read,"


class _Told(msgspec.Struct):
    """What stands in it."""

    nano_usd: Annotated[int, msgspec.Meta(ge=0)]


def put(fx: Effects, nano: int | None) -> None:
    """Set the limit, in nano-dollars; None takes it away."""
    if nano is None:
        fx.unlink(PATH)
        return
    fx.publish(PATH, (msgspec.json.encode(_Told(nano)) + b"\n",), replace=True)


def read(look: Reading) -> Cap:
    """The limit, none where none was set."""
    if look.kind(PATH) is None:
        return NO_CAP
    try:
        return Cap(msgspec.json.decode(look.read(PATH), type=_Told).nano_usd, PATH)
    except (msgspec.MsgspecError, ValueError, RecursionError, OSError, ReconcilerError):
        return Cap(0, UNREADABLE)
