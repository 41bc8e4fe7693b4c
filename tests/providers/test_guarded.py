"""What stands between the engine and a provider of a user: what it raises and says, held to what may come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs
import pytest

import reconciler.providers
from reconciler.errors import (
    CallRefused,
    Interrupted,
    KeyRefused,
    Later,
    NotThere,
    PermanentError,
    ReconcilerError,
    StaleSnapshot,
    TransientError,
    Uncertain,
    UsageError,
)
from reconciler.model.identity import Role
from reconciler.model.record import Counts, Refusal
from reconciler.model.remote import Order, RemoteBatch, RemoteFile
from reconciler.providers.base import Remote
from reconciler.providers.calls import Call, Kind, Origin, Reply, Sink
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.own import BatchProvider
from reconciler.providers.plugged import plug
from tests.providers.calling import Taken, source

SECRET: Final = "acme-secret-0123456789"
ORIGIN: Final = Origin("acme", "https://acme.example")
GET: Final = Call(Kind.READ, ORIGIN, "GET", "/batches")
POST: Final = Call(Kind.CREATE, ORIGIN, "POST", "/batches")
INTENT: Final = "1" * 32
ORDER: Final = Order(INTENT, "/v1/chat/completions", None, 1)
MADE: Final = RemoteBatch("b-1", "in_progress", intent=INTENT)


@attrs.define(eq=False)
class Said:
    """A wire in memory: what it answers or raises, call by call, and what it was asked."""

    answers: list[Any] = attrs.field(factory=list)
    calls: list[Call] = attrs.field(factory=list)

    def send(self, call: Call) -> Reply:
        """Give the next answer."""
        self.calls.append(call)
        answer = self.answers.pop(0) if self.answers else b"{}"
        if isinstance(answer, BaseException):
            raise answer
        return Reply(200, {}, answer)

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """Give the next answer to *sink*."""
        sink.write(self.send(call).body)
        return {}


class Whole(BatchProvider):
    """A provider that does what it should, and nothing in between."""

    account = SECRET
    takes_file = True
    cancels = True

    def upload(self, *_asked: Any) -> Any:
        """Store nothing."""
        return "f-1"

    def create(self, wire: Any, *_asked: Any) -> Any:
        """One call."""
        wire.send(POST)
        return MADE

    def status(self, *_asked: Any) -> Any:
        """It goes on."""
        return MADE

    def batches(self, *_asked: Any) -> Any:
        """It is there."""
        return iter([MADE])

    def download(self, *_asked: Any) -> Any:
        """There is nothing."""
        return None

    def cancel(self, *_asked: Any) -> Any:
        """It stops."""
        return None


def plugged(**methods: Callable[..., Any]) -> Remote:
    """That provider with other methods, behind its guard."""
    kind = type("Own", (Whole,), methods)

    def factory(_options: ProviderOptions, environment: Mapping[str, str]) -> Any:
        assert environment["ACME_API_KEY"]
        return kind()

    found = plug("acme", factory, ProviderOptions(), {"ACME_API_KEY": SECRET})
    assert isinstance(found, Remote)
    return found


ASKS: Final[dict[str, Callable[[Remote, Any], Any]]] = {
    "upload": lambda remote, wire: remote.upload(wire, source(b"{}\n"), "batch_input.jsonl"),
    "is_ready": lambda remote, wire: remote.is_ready(wire, "f-1"),
    "status": lambda remote, wire: remote.status(wire, "b-1"),
    "batches": lambda remote, wire: list(remote.batches(wire)),
    "download": lambda remote, wire: remote.download(wire, "f-1", Taken()),
    "cancel": lambda remote, wire: remote.cancel(wire, "b-1"),
    "files": lambda remote, wire: list(remote.files(wire)),
    "delete_file": lambda remote, wire: remote.delete_file(wire, "f-1"),
}
"""Each call but the create."""


def raising(error: BaseException) -> Callable[..., Any]:
    """A method that raises."""

    def method(*_asked: Any) -> Any:
        raise error

    return method


def sending(*answers: Any) -> tuple[Callable[..., Any], Said]:
    """A method that makes a call, and the wire that answers it."""

    def method(_self: Any, wire: Any, *_asked: Any) -> Any:
        return wire.send(GET)

    return method, Said([*answers])


class Unmade(CallRefused):
    """An error of the user's that was never properly made."""

    def __init__(self) -> None:
        pass


@pytest.mark.parametrize("what", ASKS)
@pytest.mark.parametrize(
    ("error", "comes"),
    [
        (ValueError(f"with {SECRET}"), TransientError),
        (SystemExit(3), TransientError),
        (GeneratorExit(), TransientError),
        (StopIteration(), TransientError),
        (Uncertain("what"), TransientError),
        (StaleSnapshot("look again"), TransientError),
        (Interrupted("stop"), TransientError),
        (UsageError("no such thing"), TransientError),
        (TransientError("503"), TransientError),
        (PermanentError("\ud800"), PermanentError),
        (NotThere(f"no {SECRET}", status=404), NotThere),
        (KeyRefused("401"), KeyRefused),
        (Unmade(), CallRefused),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_a_call_raises(what: str, error: BaseException, comes: type[ReconcilerError]) -> None:
    """Whatever a call raises comes as an error that a call may raise, with the name and without the key."""
    with pytest.raises(ReconcilerError) as raised:
        ASKS[what](plugged(**{what: raising(error)}), Said())
    assert type(raised.value) is comes
    assert raised.value.message.startswith("acme")
    assert SECRET not in raised.value.message
    raised.value.message.encode()


@pytest.mark.parametrize("what", ASKS)
def test_what_the_wire_raises_is_ours(what: str) -> None:
    """What the wire has raised is passed on as it is: an end that somebody asked for is no failed call."""
    for error in (Interrupted("stop"), Later("come back", 9.0), KeyRefused("401")):
        method, wire = sending(error)
        with pytest.raises(ReconcilerError) as raised:
            ASKS[what](plugged(**{what: method}), wire)
        assert raised.value is error


@pytest.mark.parametrize("what", [*ASKS, "create"])
def test_a_keyboard_interrupt_is_nobodys_error(what: str) -> None:
    """Ctrl-C in a provider's code is a Ctrl-C."""
    asks = create if what == "create" else ASKS[what]
    with pytest.raises(KeyboardInterrupt):
        asks(plugged(**{what: raising(KeyboardInterrupt())}), Said())


@pytest.mark.parametrize(
    ("seconds", "waits"), [(5, 5.0), (-1, 0.0), (float("nan"), 0.0), ("soon", 0.0), (1e300, 86_400.0)]
)
def test_how_long_to_wait_is_a_number(seconds: Any, waits: float) -> None:
    """A Later of a provider waits for a time that can be waited for."""
    with pytest.raises(Later) as raised:
        plugged(status=raising(Later("later", seconds))).status(Said(), "b-1")
    assert raised.value.seconds == waits


def made(**more: Any) -> RemoteBatch:
    """A batch that says something else."""
    return attrs.evolve(MADE, **more)


NOTHING: Final[Any] = None
NONSENSE: Final[dict[str, Any]] = {
    "none": None,
    "dict": {"id": "b-1"},
    "no-id": made(batch_id=""),
    "number-for-id": made(batch_id=7),
    "half-a-pair": made(batch_id="b\ud800"),
    "line-break": made(batch_id="b-1\n"),
    "endless": made(batch_id="b" * 5000),
    "no-status": made(status=None),
    "counts": made(counts={"total": 1}),
    "counted": made(counts=Counts(total=-1)),
    "truth": made(counts=Counts(total=True)),
    "time": made(created_at="today"),
    "never": made(created_at=float("nan")),
    "file": made(files={Role.INPUT: "f-1"}),
    "files": made(files=["f-1"]),
    "file-id": made(files={Role.OUTPUT: 7}),
    "refusals": made(refusals=("no",)),
    "refusal": made(refusals=(Refusal("", NOTHING),)),
    "line": made(refusals=(Refusal("", "no", -1),)),
    "error": made(error={"code": 1}),
}


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_a_failed_call(said: Any) -> None:
    """What is no batch is neither taken over nor passed over in a list; nothing of it reaches a file."""
    with pytest.raises(TransientError, match=r"acme: its status (gave|raised)"):
        plugged(status=lambda *_asked: said).status(Said(), "b-1")
    with pytest.raises(TransientError, match=r"acme: its batches (gave|raised)"):
        list(plugged(batches=lambda *_asked: [MADE, said]).batches(Said()))


def test_another_batch_is_no_answer() -> None:
    """The status of a batch is of that batch, and says something."""
    with pytest.raises(TransientError, match="b-1, where b-2 was asked for"):
        plugged().status(Said(), "b-2")
    with pytest.raises(TransientError, match="no status"):
        plugged(status=lambda *_asked: made(status="")).status(Said(), "b-1")


@pytest.mark.parametrize(
    ("what", "gives", "told"),
    [
        ("upload", 7, "the file id is 7"),
        ("upload", None, "the file id is None"),
        ("is_ready", None, "None, expected True or False"),
        ("download", {}, "the size is a dict"),
        ("download", -1, "the size is -1"),
        ("files", [{"id": "f-1"}], "a dict is no RemoteFile"),
        ("files", [RemoteFile("f-1", name=7)], "7 is no text"),  # type: ignore[arg-type]
        ("files", [RemoteFile("f-1", size="large")], "size is a text"),  # type: ignore[arg-type]
        ("files", None, "NoneType"),
    ],
)
def test_every_call_gives_what_it_should(what: str, gives: Any, told: str) -> None:
    """Any other value is a call that has failed, and the message says how."""
    with pytest.raises(TransientError, match=told):
        ASKS[what](plugged(**{what: lambda *_asked: gives}), Said())


class Full(Taken):
    """A sink with no room."""

    def write(self, block: bytes) -> None:
        """Say so."""
        raise OSError(28, f"no room for {len(block)}")


def test_a_full_disk_is_not_swallowed() -> None:
    """What our own file raises comes through, whatever the provider makes of it."""

    def swallowing(_self: Any, _wire: Any, _file_id: str, sink: Sink) -> int:
        try:
            sink.write(b"{}\n")
        except OSError:
            return 3
        return 4

    def naming(_self: Any, _wire: Any, _file_id: str, sink: Sink) -> int:
        try:
            sink.write(b"{}\n")
        except OSError as error:
            raise NotThere("gone", status=404) from error
        return 4

    for method in (swallowing, naming):
        with pytest.raises(OSError, match="no room"):
            plugged(download=method).download(Said(), "f-1", Full())


def test_answers_are_bytes() -> None:
    """A text is not written as answers, and the provider is told."""
    with pytest.raises(TransientError, match="answers are bytes"):
        plugged(download=lambda _self, _wire, _file_id, sink: sink.write("{}")).download(
            Said(), "f-1", Taken()
        )


@pytest.mark.parametrize("tag", ["invoices\nof May", "", 7, ["a"], "b\ud800", "1" * 31])
def test_the_tags_of_others_fail_no_list(tag: Any) -> None:
    """A tag that is no intent is none: somebody else's batch must not keep ours from being found."""
    listed = plugged(batches=lambda *_asked: [made(batch_id="b-2", intent=tag), MADE]).batches(Said())
    assert [each.intent for each in listed] == [None, INTENT]


def test_the_files_of_others_fail_no_list() -> None:
    """A file of any name may lie there; its name is fit to be shown."""
    (found,) = plugged(files=lambda *_asked: [RemoteFile("f-1", name="b\ud800\n")]).files(Said())
    found.name.encode()


def test_a_list_that_never_ends() -> None:
    """A list that goes in circles is an error, and not an endless one."""

    def circles(*_asked: Any) -> Iterator[RemoteBatch]:
        while True:
            yield MADE

    with pytest.raises(TransientError, match="goes in circles"):
        list(plugged(batches=circles).batches(Said()))


# --- a create -----------------------------------------------------------------------------------------------


def create(remote: Remote, wire: Said) -> RemoteBatch:
    """Ask for one."""
    return remote.create(wire, ORDER, source(b"{}\n"), "f-1")


@pytest.mark.parametrize(
    "error", [CallRefused("400"), KeyRefused("401"), Later("429", 1.0), TransientError("x")]
)
def test_the_wires_word_for_the_create_is_kept(error: ReconcilerError) -> None:
    """What the wire says of that one call is known: nothing was made."""
    with pytest.raises(ReconcilerError) as raised:
        create(plugged(), Said([error]))
    assert raised.value is error


def test_an_error_of_another_call_says_nothing_of_the_create() -> None:
    """A refusal of a look, before the create or after it, is no refusal of the create."""

    def looks(self: Any, wire: Any, *asked: Any) -> Any:
        wire.send(GET)
        return Whole.create(self, wire, *asked)

    with pytest.raises(Uncertain, match="its create raised NotThere"):
        create(plugged(create=looks), Said([NotThere("404", status=404)]))


def test_a_refusal_after_a_lost_reply_is_not_believed() -> None:
    """Nobody who has lost the reply of a create knows that nothing was made."""

    def gives_up(self: Any, *asked: Any) -> Any:
        try:
            return Whole.create(self, *asked)
        except Uncertain as error:
            raise CallRefused("it did not work") from error

    with pytest.raises(Uncertain, match="its create raised CallRefused"):
        create(plugged(create=gives_up), Said([Uncertain("no reply")]))


def test_a_batch_that_was_found_by_its_tag_is_believed() -> None:
    """A provider may look for the batch itself once the reply is lost; without the tag it is not believed."""

    def searching(found: RemoteBatch) -> Callable[..., Any]:
        def method(self: Any, *asked: Any) -> Any:
            try:
                return Whole.create(self, *asked)
            except Uncertain:
                return found

        return method

    assert create(plugged(create=searching(MADE)), Said([Uncertain("no reply")])) == MADE
    with pytest.raises(Uncertain, match="came to nothing"):
        create(plugged(create=searching(made(intent=None))), Said([Uncertain("no reply")]))


@pytest.mark.parametrize(
    "call", [POST, attrs.evolve(GET, method="PUT"), attrs.evolve(POST, kind=Kind.UPLOAD)]
)
def test_what_may_make_something_is_sent_as_a_create(call: Call) -> None:
    """A call of a create that is no look goes out as one that is never repeated; a second one does not go."""

    def twice(_self: Any, wire: Any, *_asked: Any) -> Any:
        wire.send(call)
        wire.send(call)

    wire = Said()
    with pytest.raises(Uncertain):
        create(plugged(create=twice), wire)
    assert [each.kind for each in wire.calls] == [Kind.CREATE]


def test_anothers_batch_is_not_taken_for_ours() -> None:
    """A create that gives a batch of another intent has made ours or not: it is in doubt."""

    def another(self: Any, *asked: Any) -> RemoteBatch:
        Whole.create(self, *asked)
        return made(batch_id="b-0", intent="2" * 32)

    with pytest.raises(Uncertain, match="b-0, which is of another intent"):
        create(plugged(create=another), Said())


def test_a_create_is_not_fetched() -> None:
    """A stream is begun anew where it is cut, and so must not make anything."""
    wire = Said()
    with pytest.raises(Uncertain):
        create(plugged(create=lambda _self, wire, *_asked: wire.fetch(POST, Taken())), wire)
    assert wire.calls == []


def test_a_broken_create_is_not_called_again_in_a_pass() -> None:
    """One doubt is enough for a pass; the next pass, which has a wire of its own, asks again."""
    remote, wire = plugged(create=raising(KeyError("id"))), Said()
    with pytest.raises(Uncertain, match="its create raised KeyError"):
        create(remote, wire)
    for ask in (create, ASKS["upload"]):
        with pytest.raises(TransientError, match="nothing more is sent in this pass") as raised:
            ask(remote, wire)
        assert not isinstance(raised.value, Uncertain)
    assert ASKS["status"](remote, wire) == MADE
    with pytest.raises(Uncertain):
        create(remote, Said())


# --- what stands there by name ------------------------------------------------------------------------------


def test_public_names() -> None:
    """Every name that is public is there, and each that is loaded later is named as public."""
    named = sorted(" ".join(reconciler.providers._HOMES.values()).split())  # noqa: SLF001 - held to __all__
    assert named == reconciler.providers.__all__ == sorted(dir(reconciler.providers))
    assert all(getattr(reconciler.providers, each) is not None for each in named)
    with pytest.raises(AttributeError):
        reconciler.providers.nobody  # noqa: B018 - asking is the test
