"""
What a provider of a user begins with: `Remote`, but for what hardly anybody needs to say.

Whatever is left out here is said on the safe side: a call that a service does not have is refused, never
passed over in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from reconciler.errors import CallRefused, PermanentError
from reconciler.model.exchange import Dialect
from reconciler.model.remote import Limits, Order, RemoteBatch, RemoteFile
from reconciler.providers.base import Remote
from reconciler.providers.calls import Sink, Source, Wire
from reconciler.providers.keys import KeyMissing, ProviderOptions


class BatchProvider:
    """
    A provider of a user: four methods, and what differs from the attributes below.

    A method that nobody has written raises `NotImplementedError`; who leaves out one that is needed is
    refused when the provider is made, before it is asked for anything.

    Attributes:
        account: Whose batches these are: key, address, project. Only a digest of it is kept.
        name: Not asked for: a provider is called what settings call it.
        limits: How large one batch may be.
        dialects: The shapes of input lines that it takes.
        takes_file: Whether the input is uploaded before the create; otherwise the create carries it.
        tags: Whether it keeps the intent of an order, and `batches` gives it back.
        one_stream: Whether answers and failures come as one file, `Role.OUTPUT`.
        one_model: Whether the create names one model for all lines.
        cancels: Whether a batch can be stopped there.
        model: The model for whole batches, where the create names one.
        endpoint: The API path of lines that name none.
    """

    account: str
    name: str = ""
    limits: Limits = Limits(requests=None, size=1 << 62)
    dialects: frozenset[Dialect] = frozenset({Dialect.OPENAI})
    takes_file: bool = False
    tags: bool = True
    numbers_ids: bool = False
    one_stream: bool = False
    one_model: bool = False
    cancels: bool = False
    model: str | None = None
    endpoint: str = ""

    def create(self, wire: Wire, order: Order, source: Source, file_id: str | None) -> RemoteBatch:
        """Create a batch: one call that makes it, sent once, which carries `order.intent`."""
        raise NotImplementedError

    def status(self, wire: Wire, batch_id: str) -> RemoteBatch:
        """Ask for one batch; `NotThere` where there is none of that id."""
        raise NotImplementedError

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:
        """All batches of the account; those created before *since* may be left out, no other."""
        raise NotImplementedError

    def download(self, wire: Wire, file_id: str, sink: Sink) -> int | None:
        """Fetch an answer file; how many bytes it has, None where nobody says."""
        raise NotImplementedError

    def upload(self, wire: Wire, source: Source, name: str) -> str:
        """Store an input, for a service that takes files."""
        raise NotImplementedError

    def is_ready(self, wire: Wire, file_id: str) -> bool:  # noqa: ARG002 - the protocol's
        """Whether an uploaded file can be made a batch of: at once, unless said otherwise."""
        return True

    def cancel(self, wire: Wire, batch_id: str) -> None:  # noqa: ARG002 - the protocol's
        """Stop a batch, for a service that `cancels`."""
        raise CallRefused(f"it has no call that stops a batch, and {batch_id} goes on")

    def files(self, wire: Wire) -> Iterator[RemoteFile]:  # noqa: ARG002 - the protocol's
        """Files of this account: none that anybody could list, unless said otherwise."""
        return iter(())

    def delete_file(self, wire: Wire, file_id: str) -> None:  # noqa: ARG002 - the protocol's
        """Remove a file. Whether an earlier create can still count may hang on it, so it is never skipped."""
        raise PermanentError(f"it has no call that removes a file, and {file_id} stays there")


Factory: TypeAlias = Callable[[ProviderOptions, Mapping[str, str]], Remote | BatchProvider | KeyMissing]
"""
What a package registers: from the settings and the environment variables to a provider.

It connects to nothing. It raises `ConfigError` where the settings cannot be obeyed.
"""
