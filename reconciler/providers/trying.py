"""One try of a call: what went out, what came back, and what a log says of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

import attrs

from reconciler.errors import TransientError
from reconciler.providers.calls import Call, Exchange, Source


@attrs.define(eq=False)
class Try:
    """
    One try on its way.

    Attributes:
        call: What is tried.
        number: Which try it is, from 1.
        began: By the clock that only goes forward.
        sent: Bytes of body that were handed over.
        received: Bytes of body that came.
        result: The HTTP status, or what kept it from coming.
        lost: What reading the body to send raised, with its traceback at that moment.
    """

    call: Call
    number: int
    began: float = 0.0
    sent: int = 0
    received: int = 0
    result: int | str = "nothing"
    lost: tuple[Exception, TracebackType | None] | None = None

    def check(self) -> None:
        """Raise what reading the body raised, if it did, without the frames of whoever was sending."""
        if self.lost is not None:
            error, where = self.lost
            raise error.with_traceback(where)

    def blocks(self, content: Source) -> Iterator[bytes]:
        """The blocks of a body; what reading them raises is kept apart from what the network does."""
        try:
            yield from self._exactly(content)
        except Exception as error:
            self.lost = (error, error.__traceback__)
            raise

    def _exactly(self, content: Source) -> Iterator[bytes]:
        """As many bytes as were promised; no byte more is handed over."""
        for block in content.read(0):
            if self.sent + len(block) > content.size:
                break
            self.sent += len(block)
            yield block
        else:
            if self.sent == content.size:
                return
        raise TransientError("what was sent changed while it was sent")

    def told(self, url: str, ended: float) -> Exchange:
        """This try, for a log."""
        return Exchange(
            provider=self.call.origin.provider,
            kind=self.call.kind,
            method=self.call.method,
            url=self.call.origin.hide(url),
            result=self.result,
            seconds=ended - self.began,
            sent=self.sent,
            received=self.received,
            number=self.number,
        )
