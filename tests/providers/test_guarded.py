"""What stands between the engine and a provider of a user: what it raises and says, held to what may come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

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
from reconciler.model.remote import RemoteBatch, RemoteFile
from reconciler.providers.calls import Sink
from tests.providers.calling import Taken
from tests.providers.guarding import ASKS, INTENT, MADE, SECRET, Said, create, made, plugged, raising, sending


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


def test_public_names() -> None:
    """Every name that is public is there, and each that is loaded later is named as public."""
    named = sorted(" ".join(reconciler.providers._HOMES.values()).split())  # noqa: SLF001 - held to __all__
    assert named == reconciler.providers.__all__ == sorted(dir(reconciler.providers))
    assert all(getattr(reconciler.providers, each) is not None for each in named)
    with pytest.raises(AttributeError):
        reconciler.providers.nobody  # noqa: B018 - asking is the test
