"""
What all providers share.

Every provider has a name, under which settings, metadata and plans know it; the engine plans operations for
those that it was given, and holds batches of all others. An `Embedded` one answers a request at once; a
`Remote` one takes whole batches and finishes hours later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from reconciler.model.exchange import Dialect, Request
    from reconciler.model.remote import Limits, Order, RemoteBatch, RemoteFile
    from reconciler.providers.calls import Sink, Source, Wire
    from reconciler.providers.pacing import Gate, Pace

Body: TypeAlias = Mapping[str, Any]
"""A response body, in the shape that the request's own provider would answer with."""

Worker: TypeAlias = "Callable[[Request], Awaitable[Body] | Body]"
"""`async def worker(request) -> body`, or a plain function; what it raises becomes the request's failure."""


class Provider(Protocol):
    """Someone who answers."""

    @property
    def name(self) -> str:
        """The name in settings and metadata."""


class Embedded(Provider, Protocol):
    """A provider inside this process: one request in, one body out, now."""

    @property
    def concurrency(self) -> int:
        """How many requests it works on at once, at the most."""

    @property
    def pace(self) -> Pace:
        """How fast they may go."""

    @property
    def gate(self) -> Gate:
        """What holds all its runs in this process to that pace."""

    async def answer(self, request: Request) -> Body:
        """
        Answer one request.

        Raises:
            Exception: The request has failed; the type and words say how.
        """

    async def close(self) -> None:
        """Let go of what it holds open, on the loop that it was used on."""


@runtime_checkable
class Remote(Provider, Protocol):
    """
    A provider that takes whole batches over the network.

    A client only translates: it keeps no state, opens no file, reads no clock and repeats nothing. Each
    method makes its calls through the *wire* that it is given, and raises what `Wire.send` raises; besides,
    `TransientError` when a reply is not of the shape that the provider documents.
    """

    @property
    def account(self) -> str:
        """A fingerprint of whose batches these are: of key, origin, organisation, project; never the key."""

    @property
    def limits(self) -> Limits:
        """How large one batch may be."""

    @property
    def dialects(self) -> frozenset[Dialect]:
        """The shapes of input lines that it takes."""

    @property
    def takes_file(self) -> bool:
        """Whether the input is uploaded before the create; otherwise the create carries it."""

    @property
    def tags(self) -> bool:
        """Whether it keeps the intent of an order, so that a batch can be found by it."""

    @property
    def numbers_ids(self) -> bool:
        """
        Whether ids travel as `<first 8 characters of the intent>-<n>`, n counting the requests from 1.

        For a provider that keeps no tag: such ids show whose batch it is.
        """

    @property
    def one_stream(self) -> bool:
        """Whether answers and failures come as one file, to be split here."""

    @property
    def one_model(self) -> bool:
        """Whether the create names one model for all lines, so that one is needed and lines name no other."""

    @property
    def cancels(self) -> bool:
        """Whether a batch can be stopped there."""

    @property
    def model(self) -> str | None:
        """The model for whole batches, where the provider wants one and the settings name it."""

    @property
    def endpoint(self) -> str:
        """The API path of lines that name none; empty where the provider has no such thing."""

    def upload(self, wire: Wire, source: Source, name: str) -> str:
        """
        Store an input, and give its file id.

        Args:
            wire: Makes the calls.
            source: The lines.
            name: A name for the file, ending in `.jsonl`; holds the intent.
        """

    def is_ready(self, wire: Wire, file_id: str) -> bool:
        """Whether an uploaded file can be made a batch of."""

    def create(self, wire: Wire, order: Order, source: Source, file_id: str | None) -> RemoteBatch:
        """
        Create a batch: one call, never repeated.

        Args:
            wire: Makes the call.
            order: What is asked for.
            source: The lines, for a provider that takes no file.
            file_id: The uploaded file, for one that does.

        Raises:
            CallRefused: Nothing was created.
            Uncertain: It may have been, or not.
            ReconcilerError: Any other one: nothing was sent.
        """

    def status(self, wire: Wire, batch_id: str) -> RemoteBatch:
        """
        Ask for one batch.

        Raises:
            NotThere: There is none with that id, for this key.
        """

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:
        """
        Batches of this account, page by page; as `status` gives them, but for results that come inline.

        Args:
            wire: Makes the calls.
            since: Seconds since the epoch; older ones may be left out where the order of the list allows it.
        """

    def download(self, wire: Wire, file_id: str, sink: Sink) -> int | None:
        """
        Fetch one answer file of a batch.

        Returns:
            How many bytes the provider says that it has, None where it does not say.
        """

    def cancel(self, wire: Wire, batch_id: str) -> None:
        """
        Ask for the end of a batch; one that has ended already is no error.

        Raises:
            CallRefused: It cannot be stopped there.
        """

    def files(self, wire: Wire) -> Iterator[RemoteFile]:
        """Files of this account, page by page."""

    def delete_file(self, wire: Wire, file_id: str) -> None:
        """Remove a file there; one that is gone already is no error."""


def see_worker(function: Callable[..., Any], takes: str = "request") -> None:
    """
    Hold a worker to taking one request, or one prompt.

    Raises:
        TypeError: It takes another number of parameters.
    """
    import inspect  # noqa: PLC0415 - for user code alone

    try:
        signature = inspect.signature(function)
    except (
        TypeError,
        ValueError,
    ):  # some functions written in C do not tell, nor do stubs of something remote
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(f"{function!r:.80} must take ({takes})") from error


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling *function*, which may be an object with a `__call__` of its own, gives an awaitable."""
    import inspect  # noqa: PLC0415 - for user code alone

    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004 - an object with an async __call__
    )
