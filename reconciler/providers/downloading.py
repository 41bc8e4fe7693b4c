"""
A download that goes on where it was cut.

Pure but for the sink: which range to ask for, and what a reply means for the bytes that are there already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from reconciler.providers.bodies import BadBody, CutBody
from reconciler.providers.calls import Sink
from reconciler.providers.refusals import is_page

_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII)


@attrs.define(eq=False)
class Download:
    """
    One file on its way into a sink.

    Attributes:
        sink: Where it goes.
        reached: The most bytes that it ever held: a try that passes them made progress.
        tag: The file's ETag at its first try; empty where there is none.
        total: How many bytes it has, None while nobody has said.
        packed: Whether it comes compressed: then its middle cannot be asked for.
        refused_range: Whether the provider has said that there is no such range.
    """

    sink: Sink
    reached: int = attrs.field(default=attrs.Factory(lambda self: self.sink.size, takes_self=True))
    tag: str = ""
    total: int | None = None
    packed: bool = False
    refused_range: bool = False

    def asks(self) -> dict[str, str]:
        """Headers that ask for what is missing."""
        if self.packed and self.sink.size:
            self._restart()
        if not self.sink.size:
            return {}
        asked = {"range": f"bytes={self.sink.size}-"}
        # A weak tag does not promise equal bytes, and may not be asked with.
        if self.tag.startswith('"'):
            asked["if-range"] = self.tag
        return asked

    def range_refused(self) -> bool:
        """Begin again after a 416; False when that has happened before."""
        first, self.refused_range = not self.refused_range, True
        if first:
            self._restart()
        return first

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """
        Take note of a reply, before its bytes.

        Raises:
            BadBody: Its bytes are not those that were asked for.
        """
        if is_page(headers.get("content-type", ""), b""):
            raise BadBody("it answers with a web page instead of the file")
        encoding = headers.get("content-encoding", "").strip().lower()
        tag = headers.get("etag", "")
        if status == 206:  # noqa: PLR2004
            self._go_on(headers.get("content-range", ""), tag, encoding)
            return
        if status != 200:  # noqa: PLR2004
            raise BadBody(f"it answers {status} instead of the file")
        if self.sink.size:
            self._restart()
        self.tag, self.packed = tag, encoding not in {"", "identity"}
        length = headers.get("content-length", "")
        if not self.packed and length.isascii() and length.isdecimal():
            self.total = int(length[:19])

    def take(self, blocks: Iterable[bytes]) -> None:
        """
        Hand the bytes of a reply to the sink.

        Raises:
            BadBody: They are cut, or a web page.
        """
        for block in blocks:
            if not self.sink.size and is_page("", block):
                raise BadBody("it answers with a web page instead of the file")
            self.sink.write(block)
        if self.total is not None and self.sink.size < self.total:
            raise CutBody("the file ended before its end")

    def progress(self) -> bool:
        """Whether more is there than ever before; asked once for each try."""
        further = self.sink.size > self.reached
        self.reached = max(self.reached, self.sink.size)
        return further

    def _go_on(self, content_range: str, tag: str, encoding: str) -> None:
        """Take note of a reply that holds the rest of the file."""
        found = _RANGE.fullmatch(content_range.strip())
        total = None if found is None or found[3] == "*" else int(found[3])
        fits = (
            found is not None
            and int(found[1]) == self.sink.size > 0
            and encoding in {"", "identity"}
            and (not tag or not self.tag or tag == self.tag)
            and (total is None or self.total is None or total == self.total)
        )
        if not fits:
            # Another file by now, or another part of it: what is there cannot be gone on with.
            self._restart()
            raise BadBody("it answers with another part of the file than was asked for")
        self.total = total if total is not None else self.total

    def _restart(self) -> None:
        """Forget what came so far."""
        self.sink.restart()
        self.tag, self.total, self.packed = "", None, False
