"""
What was spent and what is reserved, as the ledger tells it.

Three kinds of lines: `spend.reserved` before anything of a batch is sent, `spend.settled` when it has ended
or nothing of it came to be, and `spend.held` when a limit of cost keeps it back. The first two speak of one
attempt, by its key: the intent of a create, or a live run. The last line of a key counts; where something is
reserved under a key that has cost something already, a person has a live run made anew, and both count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

RESERVED: Final = "spend.reserved"
SETTLED: Final = "spend.settled"
HELD: Final = "spend.held"

_OVER: Final = ("batch.ended-here", "batch.settled", "batch.dismissed")
"""After these nothing of a batch is sent that a limit could keep back."""

ANSWERED: Final = "answered"
NOTHING_RAN: Final = "nothing ran"
NO_USAGE: Final = "no usage reported"
"""Why a charge is what it is; the last keeps what was reserved."""


@attrs.frozen
class Charge:
    """
    What one attempt may cost, or has cost.

    Attributes:
        key: The attempt.
        batch: Its batch.
        provider: Who is asked.
        models: Nano-dollars by `provider/model`; None where it is not known.
        nano: All of it; None where a part is not known.
        settled: Whether it has ended, so that this is what it has cost.
        live: Whether it was asked live.
        at: When that was written down.
        why: Of what has ended: one word of the constants above.
        reserved: What was reserved for it.
        cap: The limit that held when it was reserved; None where there was none.
    """

    key: str
    batch: str
    provider: str
    models: Mapping[str, int | None]
    nano: int | None
    settled: bool
    live: bool
    at: float
    why: str = ""
    reserved: int | None = None
    cap: int | None = None


@attrs.frozen
class HeldBack:
    """
    A batch that a limit keeps back.

    Attributes:
        batch: The batch.
        needs: Nano-dollars that it may cost; None where that is not known.
        why: In words.
    """

    batch: str
    needs: int | None
    why: str


@attrs.define
class Spending:
    """
    All of it, grown line by line.

    Attributes:
        charges: By key.
        held: What is kept back, by batch.
        committed: Spent and reserved together, in nano-dollars; what is not known counts as nothing.
    """

    charges: dict[str, Charge] = attrs.field(factory=dict)
    held: dict[str, HeldBack] = attrs.field(factory=dict)
    committed: int = 0

    def take(self, event: str, fields: Mapping[str, Any]) -> None:
        """Take in one line of history."""
        batch = str(fields.get("batch", ""))
        if event == HELD:
            self.held[batch] = HeldBack(batch, _nano(fields.get("nano_usd")), str(fields.get("why", "")))
        elif event in (RESERVED, SETTLED):
            self.held.pop(batch, None)
            self._charge(event, batch, fields)
        elif event in _OVER:
            self.held.pop(batch, None)

    def _charge(self, event: str, batch: str, fields: Mapping[str, Any]) -> None:
        key = str(fields.get("key", ""))
        before = self.charges.get(key)
        if event == RESERVED and before is not None and before.settled and before.nano != 0:
            self.charges[f"{key} {len(self.charges)}"] = before
            before = None
        nano, models = _nano(fields.get("nano_usd")), fields.get("models")
        settled = event == SETTLED
        reserved, cap = (None, None) if before is None else (before.reserved, before.cap)
        after = Charge(
            key,
            batch,
            str(fields.get("provider", "") or (before.provider if before else "")),
            {str(name): _nano(each) for name, each in models.items()} if isinstance(models, dict) else {},
            nano,
            settled,
            bool(fields.get("live", before is not None and before.live)),
            at if isinstance(at := fields.get("at"), float) else float(_nano(at) or 0),
            str(fields.get("why", "")),
            reserved if settled else nano,
            cap if settled else _nano(fields.get("cap")),
        )
        self.charges[key] = after
        self.committed += (nano or 0) - ((before.nano or 0) if before else 0)

    def without(self, key: str | None) -> int:
        """Spent and reserved together, but for what is reserved for one attempt."""
        own = None if key is None else self.charges.get(key)
        return self.committed - ((own.nano or 0) if own is not None and not own.settled else 0)

    @property
    def spent(self) -> int:
        """What has ended has cost so much, in nano-dollars."""
        return sum(each.nano or 0 for each in self.charges.values() if each.settled)

    @property
    def reserved(self) -> int:
        """What has not ended may cost so much."""
        return self.committed - self.spent

    @property
    def not_known(self) -> tuple[Charge, ...]:
        """What was sent and has no price that anybody knows."""
        return tuple(each for each in self.charges.values() if each.nano is None)


def _nano(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
