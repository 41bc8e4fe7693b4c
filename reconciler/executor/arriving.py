"""
Answer files that arrive: under temporary names first, published together.

What all of them are stands in metadata before the first gets its name, so a crash between two files is never
taken for answers without failures.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import attrs

from reconciler.codec.jsonl import Line
from reconciler.codec.result import decode_verdict
from reconciler.codec.wire import from_wire, line_number
from reconciler.errors import BadLine
from reconciler.executor.context import Run
from reconciler.model.coverage import FileDigest
from reconciler.model.identity import ANSWERS, BatchName, Role, file_name
from reconciler.model.outcome import Outcome
from reconciler.model.record import Record
from reconciler.model.words import many

Digests = dict[Role, FileDigest | None]
"""What each answer file is; None for "there is no such file"."""


@attrs.frozen
class Names:
    """
    The ids of an input, for a stream that may answer them under their ids on the wire.

    Attributes:
        intents: The tokens that wire ids may begin with: of each create of this very input.
        names: The id of each request, in the order in which they were sent.
    """

    intents: Collection[str]
    names: Sequence[str]

    def own(self, custom_id: str) -> str:
        """The id of the request that *custom_id* speaks of; one of nobody's is as it is."""
        found = (line_number(custom_id, intent) for intent in self.intents)
        number = next(filter(None, found), None)
        return self.names[number - 1] if number and number <= len(self.names) else custom_id


def intents_of(run: Run, record: Record) -> Collection[str]:
    """The token of a batch, and of every other create of the same input: any of them may be its answers'."""
    ctx, own = run.ctx, record.intent
    earlier = () if record.input is None else ctx.history.intents(ctx.fx, record.input.digest.sha256)
    return tuple(dict.fromkeys((*((own,) if own else ()), *earlier)))


class Arrival:
    """
    The answer files of one batch, under temporary names.

    Args:
        run: What the operations of a plan share.
        name: The batch.

    Attributes:
        lines: How many lines each file has that arrived.
    """

    def __init__(self, run: Run, name: BatchName) -> None:
        self._run = run
        self._name = name
        self.lines: dict[Role, int] = {}

    def path(self, role: Role) -> str:
        """The final name of an answer file."""
        return self._run.ctx.layout.live_path(file_name(role, self._name))

    def split(self, lines: Callable[[], Iterable[Line]], where: str, names: Names | None) -> Digests:
        """
        Make both files of one stream, by what became of each request.

        Args:
            lines: The stream; read once for each file.
            where: What it is called, for messages.
            names: The ids to put back, None where lines bear them already.

        Returns:
            What each file is; None for one without lines.
        """
        roles: Digests = {}
        for role in ANSWERS:
            digest = self._run.ctx.fx.stage(self.path(role), self._of(role, lines(), where, names))
            roles[role] = digest if self.lines[role] else None
        return roles

    def publish(self, record: Record, after: Record, here: Collection[Role]) -> None:
        """
        Write down what the files are, then give them their names.

        Args:
            record: The metadata as it is.
            after: The same with `roles`.
            here: Files that have their names already.
        """
        if after != record:
            self._run.publish(after)
        fx = self._run.ctx.fx
        for role, digest in after.roles.items():
            if digest is not None and role not in here:
                fx.reveal(self.path(role), digest)
        fx.sync_folder(self._run.ctx.layout.live)

    def drop(self) -> None:
        """Take back what has no name of its own."""
        for role in ANSWERS:
            self._run.ctx.fx.unstage(self.path(role))

    def told(self, roles: Collection[Role]) -> str:
        """What arrived, in words."""
        counted = [(role, self.lines.get(role, 0)) for role in ANSWERS if role in roles]
        return ", ".join(many(count, f"line of {role}", f"lines of {role}") for role, count in counted)

    def _of(self, role: Role, lines: Iterable[Line], where: str, names: Names | None) -> Iterator[bytes]:
        """The lines of a stream that belong to *role*, their own ids put back."""
        self.lines[role] = 0
        wanted = role is Role.OUTPUT
        for line in lines:
            data = line.data
            try:
                verdict = decode_verdict(line, where)
                answered = verdict.outcome is Outcome.ANSWERED
                if names is not None and (own := names.own(verdict.custom_id)) != verdict.custom_id:
                    data = from_wire(line, where, own)
            except BadLine:
                # Matching will say what is wrong with it; it must not get lost here.
                answered = True
            if answered is wanted:
                self.lines[role] += 1
                yield data + b"\n"
