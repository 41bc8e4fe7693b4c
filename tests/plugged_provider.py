"""The batch service of acme.example, as a provider of `reconcile`."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.providers import (
    BatchProvider,
    Call,
    CallRefused,
    Counts,
    Form,
    KeyMissing,
    Kind,
    Limits,
    Order,
    Origin,
    ProviderOptions,
    RemoteBatch,
    RemoteFile,
    Role,
    Sink,
    Source,
    Wire,
    account_of,
    base_url,
    find_key,
    proof,
)


class Acme(BatchProvider):
    """The service of acme.example: files of requests in, two files of answers out."""

    limits = Limits(requests=1000, size=10 << 20)
    takes_file = True
    cancels = True
    endpoint = "/v1/chat/completions"

    def __init__(self, origin: Origin, account: str) -> None:
        self.origin = origin
        self.account = account

    def upload(self, wire: Wire, source: Source, name: str) -> str:
        """Store an input."""
        form = Form({"purpose": "batch"}, name, "application/jsonl", source)
        return str(wire.send(Call(Kind.UPLOAD, self.origin, "POST", "/files", content=form)).object()["id"])

    def create(self, wire: Wire, order: Order, source: Source, file_id: str | None) -> RemoteBatch:  # noqa: ARG002 - the protocol's
        """One call, tagged with the intent: by it the batch is found again, should no reply come back."""
        asked = {
            "input_file_id": file_id,
            "endpoint": order.endpoint,
            "completion_window": "24h",
            "metadata": {"intent": order.intent},
        }
        return told(wire.send(Call(Kind.CREATE, self.origin, "POST", "/batches", json=asked)).object())

    def status(self, wire: Wire, batch_id: str) -> RemoteBatch:
        """How one batch is doing; a 404 is raised as NotThere by the wire."""
        return told(
            wire.send(Call(Kind.READ, self.origin, "GET", f"/batches/{batch_id}", paced=True)).object()
        )

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:  # noqa: ARG002 - the protocol's
        """Every batch of the account, with its tag."""
        return map(told, self._listed(wire, "/batches"))

    def download(self, wire: Wire, file_id: str, sink: Sink) -> int | None:
        """Fetch a file of answers; a cut one goes on where it was."""
        headers = wire.fetch(Call(Kind.DOWNLOAD, self.origin, "GET", f"/files/{file_id}/content"), sink)
        return int(headers["content-length"]) if "content-length" in headers else None

    def cancel(self, wire: Wire, batch_id: str) -> None:
        """Stop a batch; one that has ended already is no error."""
        try:
            wire.send(Call(Kind.CHANGE, self.origin, "POST", f"/batches/{batch_id}/cancel"))
        except CallRefused as refused:
            if refused.status != 409:
                raise

    def files(self, wire: Wire) -> Iterator[RemoteFile]:
        """Every file of the account."""
        for found in self._listed(wire, "/files"):
            yield RemoteFile(found["id"], found["filename"], found["bytes"], found["created_at"])

    def delete_file(self, wire: Wire, file_id: str) -> None:
        """Remove a file there; one that is gone already is no error."""
        try:
            wire.send(Call(Kind.CHANGE, self.origin, "DELETE", f"/files/{file_id}"))
        except CallRefused as refused:
            if refused.status != 404:
                raise

    def _listed(self, wire: Wire, path: str) -> Iterator[dict[str, Any]]:
        """All pages of a list."""
        after: str | None = None
        while True:
            call = Call(
                Kind.READ, self.origin, "GET", path, params={"limit": 100, "after": after}, paced=True
            )
            page = wire.send(call).object()
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["data"][-1]["id"]


def told(found: Mapping[str, Any]) -> RemoteBatch:
    """A batch in our words; what a reply lacks raises, which is told as a call that failed."""
    counts = found["request_counts"] or {}
    files = {Role.OUTPUT: found["output_file_id"], Role.ERROR: found["error_file_id"]}
    return RemoteBatch(
        found["id"],
        found["status"],  # in_progress, completed, expired, cancelled or failed
        counts=Counts(counts.get("total") or None, counts.get("completed"), counts.get("failed")),
        created_at=found["created_at"],
        intent=(found["metadata"] or {}).get("intent"),
        input_file_id=found["input_file_id"],
        files={role: file_id for role, file_id in files.items() if file_id},
    )


def make(options: ProviderOptions, environment: Mapping[str, str]) -> Acme | KeyMissing:
    """What the package registers under `reconciler.providers`."""
    key = find_key("acme", environment, ("ACME_API_KEY",))
    if isinstance(key, KeyMissing):
        return key
    address = options.base_url or environment.get("ACME_BASE_URL") or "https://api.acme.example/v1"
    origin = Origin("acme", base_url("its address", address), secret=proof("bearer", key))
    return Acme(origin, account_of(origin, key))
