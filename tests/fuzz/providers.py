"""
Replies of providers: batches, lists, files, results and refusals, in every client's hands.

An input is one line of words (a provider, what it is asked, a status), then the bodies of its replies, with
the byte 0x1e between them, which stands unescaped in no JSON.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import attrs
import msgspec

from reconciler.errors import ReconcilerError, Uncertain
from reconciler.model.identity import BatchName, Role
from reconciler.model.record import Online, Record
from reconciler.model.remote import Order, RemoteBatch, RemoteFile
from reconciler.model.status import Phase, phase_of
from reconciler.providers import members, retrying
from reconciler.providers.base import Remote
from reconciler.providers.calls import Call, Kind, Origin, Reply, Secret, Sink
from reconciler.providers.keys import KeyMissing, ProviderOptions
from reconciler.providers.refusals import said
from reconciler.providers.registry import make
from reconciler.providers.times import seconds
from reconciler.workspace import metadata
from tests.fuzz.oracle import expect, gathered, is_text, is_time, refused
from tests.wires import source_of

BREAK: Final = b"\x1e"
KEY: Final = "sk-canary-0123456789abcdef"
NAMES: Final = "openai azure anthropic gemini mistral openrouter together groq".split()
VERBS: Final = "batches status create files results refused".split()
NOW: Final = 1_700_000_000.0
_KEYS: Final = tuple(
    f"{name}_API_KEY"
    for name in "OPENAI AZURE_OPENAI ANTHROPIC GEMINI MISTRAL OPENROUTER TOGETHER GROQ".split()
)
_BASES: Final = {"azure": "https://a.example/openai/v1"}
_MODELS: Final = {"gemini": "gemini-x", "mistral": "mistral-x", "openrouter": "m"}
_IDS: Final = {"gemini": "batches/1", "anthropic": "msgbatch_1"}
_LINE: Final = b'{"custom_id":"a","method":"POST","url":"/v1","body":{},"params":{}}\n'


def _client(name: str) -> Remote:
    options = ProviderOptions(base_url=_BASES.get(name, ""), model=_MODELS.get(name, ""))
    made = make(name, options, dict.fromkeys(_KEYS, KEY))
    assert not isinstance(made, KeyMissing)
    return made


class Ended(Exception):
    """The replies are used up."""


class Replies:
    """A wire that gives one body after the other, whole to `send` and in blocks to `fetch`."""

    def __init__(self, bodies: list[bytes], status: int = 200) -> None:
        self._bodies = list(bodies)
        self._status = status
        self.used: list[bytes] = []

    def send(self, _call: Call) -> Reply:
        """The next body."""
        return Reply(self._status, {}, self._next())

    def fetch(self, _call: Call, sink: Sink) -> Mapping[str, str]:
        """The next body, a block after the other."""
        body = self._next()
        size = max(len(body) // 5, 100)
        for at in range(0, len(body), size):
            sink.write(body[at : at + size])
        return {"content-length": str(len(body))}

    def _next(self) -> bytes:
        if not self._bodies:
            raise Ended
        self.used.append(self._bodies.pop(0))
        return self.used[-1]


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return len(self.data)

    def write(self, block: bytes) -> None:
        """Take the next bytes."""
        self.data += block

    def restart(self) -> None:
        """Forget what was taken."""
        self.data = b""


@attrs.frozen
class Readers:
    """The clients that are tried, by name; a test puts a broken one in a place."""

    clients: Mapping[str, Remote] = attrs.field(factory=lambda: {name: _client(name) for name in NAMES})
    said: Callable[..., Any] = said


READERS: Final = Readers()


def providers(data: bytes, readers: Readers = READERS) -> None:
    """What a provider replies, and what it was asked."""
    head, _, rest = data.partition(b"\n")
    words = head.decode("ascii", "replace").split()
    bodies = rest.split(BREAK)
    name = next((word for word in words if word in NAMES), NAMES[sum(head) % len(NAMES)])
    verb = next((word for word in words if word in VERBS), VERBS[len(head) % len(VERBS)])
    status = next((int(word) for word in words if word.isdigit() and len(word) == 3), 500)
    client = readers.clients[name]
    if verb == "refused":
        _refused(bodies, status, readers)
        return
    wire = Replies(bodies)
    try:
        _asked(client, verb, wire)
    except Ended:
        return


def _asked(client: Remote, verb: str, wire: Replies) -> None:
    """One question, and what may come of the replies to it."""
    batch_id = _IDS.get(client.name, "batch_1")
    match verb:
        case "batches":
            batches: list[RemoteBatch] = []
            whole = refused(lambda: gathered(batches, client.batches(wire)))
            for each in batches:
                _batch(each)
            if whole:
                _all_listed(client.name, wire.used, {each.batch_id for each in batches})
        case "files":
            files: list[RemoteFile] = []
            refused(lambda: gathered(files, client.files(wire)))
            for file in files:
                _file(file)
        case "status":
            batch = refused(partial(client.status, wire, batch_id))
            if batch is not None:
                expect(batch.status, "a batch in no state", batch)
                _batch(batch)
        case "create":
            order = Order("0123456789abcdef" * 2, client.endpoint, client.model, 1)
            # The provider said yes: whatever it said besides, the batch may be there, and paid.
            made = refused(
                partial(client.create, wire, order, source_of(_LINE), "file-1"), allowed=(Uncertain,)
            )
            if made is not None:
                _batch(made)
        case _:
            _results(client, wire, batch_id)


def _batch(batch: RemoteBatch) -> None:
    """What is told of a batch is of the right kinds, and metadata can keep all of it."""
    expect(is_text(batch.batch_id), "no id", batch)
    for text in (batch.endpoint, batch.intent, batch.input_file_id, *batch.files.values()):
        expect(text is None or is_text(text), "a text", batch)
    for count in (batch.counts.total, batch.counts.completed, batch.counts.failed):
        expect(count is None or 0 <= count < 1 << 60, "a count", batch)
    for moment in (batch.created_at, batch.results_until):
        expect(moment is None or is_time(moment), "a time", batch)
    expect(isinstance(phase_of(batch.status), Phase), "a phase", batch)
    record = Record(
        BatchName("7"),
        batch_id=batch.batch_id,
        status=batch.status,
        counts=batch.counts,
        results_until=batch.results_until,
        output_file_id=batch.files.get(Role.OUTPUT),
        error_file_id=batch.files.get(Role.ERROR),
        online=Online(batch.refusals),
    )
    data = metadata.encode(record)
    expect(metadata.decode(data, "m", record.name) == record, "metadata cannot keep it", data)


def _file(file: RemoteFile) -> None:
    expect(is_text(file.file_id), "no id", file)
    expect(is_text(file.name, empty=True) and is_text(file.purpose, empty=True), "a text", file)
    expect(file.size is None or 0 <= file.size < 1 << 60, "a size", file)
    expect(file.created_at is None or math.isfinite(file.created_at), "a time", file)


def _all_listed(name: str, pages: list[bytes], listed: set[str]) -> None:
    """Each thing with an id that stood on a page is among what was listed: one that is not would be lost."""
    for page in pages:
        found = json.loads(page)
        if isinstance(found, dict):
            key = "operations" if name == "gemini" else "data"
            found = found.get(key, found.get("value") if "data" not in found else None)
        for each in found if isinstance(found, list) else ():
            held = each if isinstance(each, dict) else {}
            batch_id = held.get("name" if name == "gemini" else "id")
            expect(not (isinstance(batch_id, str) and batch_id) or batch_id in listed, "lost", batch_id)


def _results(client: Remote, wire: Replies, batch_id: str) -> None:
    """Results come as whole lines, or as the bytes that were served; matching tells what is no text."""
    sink = Kept()
    size = refused(partial(client.download, wire, batch_id, sink))
    if size is None:
        return
    expect(size == len(sink.data), "another size", size, len(sink.data))
    if client.name not in ("gemini", "openrouter"):
        expect(sink.data == wire.used[-1], "other bytes than were served")
        return
    rows = sink.data.split(b"\n")
    expect(rows.pop() == b"", "a line without an end", sink.data)
    for row in rows:
        with contextlib.suppress(UnicodeDecodeError):
            row.decode()
            expect(isinstance(msgspec.json.decode(row, type=dict[str, msgspec.Raw]), dict), "no line", row)


def _refused(bodies: list[bytes], status: int, readers: Readers) -> None:
    """A reply that is no success: words for people, without the key, and never a reason to pay twice."""
    body, asks, date = (*bodies, b"", b"", b"")[:3]
    origin = Origin("openai", "https://x", {}, {"authorization": Secret(f"Bearer {KEY}")})
    status = status if not 200 <= status < 300 else 500
    told = readers.said("openai", status, body, asks.decode("utf-8", "replace"), origin.hide)
    for text in (told.words, told.code, told.told, told.hint):
        expect(KEY not in text, "the key is shown", text)
        expect(len(text) < 1000 and text.isprintable(), "for no terminal", text)
    expect(told.after is None or (math.isfinite(told.after) and told.after >= 0), "a wait", told.after)
    headers = {
        "retry-after": asks.decode("latin-1"),
        "date": date.decode("latin-1"),
        "retry-after-ms": date.decode("latin-1"),
        "content-length": asks.decode("latin-1"),
        "content-range": date.decode("latin-1"),
    }
    for kind in Kind:
        fault = retrying.fault_of_status(kind, told, headers, now=NOW, longest=60.0)
        expect(isinstance(fault.error, ReconcilerError), "an error of no kind", fault)
        expect(fault.after is None or (math.isfinite(fault.after) and fault.after >= 0), "a wait", fault)
        if kind is Kind.CREATE:
            sure = status in retrying.PROVES_REFUSAL
            expect(sure or isinstance(fault.error, Uncertain), "taken for not created", status, fault)
            expect(not fault.again, "created twice", fault)
    size = members.size_of(headers)
    expect(size is None or 0 <= size < 1 << 53, "a size", size)
    moment = seconds(asks.decode("latin-1"))
    expect(moment is None or 0 < moment < 1e12, "a time", moment)
