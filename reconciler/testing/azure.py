"""
Azure OpenAI: the v1 surface and the older one, which wants an `api-version`.

The behaviours are those of the provider facts, Azure OpenAI differences (azure-ai-docs `how-to/batch.md`,
`batch-rest.md`, `global-batch-limits.md`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response

from reconciler.testing.dialect import Handler, Kinds, body_of
from reconciler.testing.exchange import Refusal
from reconciler.testing.openai import OpenAI
from reconciler.testing.switches import ENDPOINTS, OpenAISwitches

VERSIONS: Final = frozenset({"2024-10-21", "2025-04-01-preview"})
DAY: Final = 86_400
BOM: Final = "The deployment name could not be extracted from the input file."


class Azure(OpenAI):
    """`/azure` stands for the resource's endpoint; below it `/openai/v1` and `/openai`."""

    name: ClassVar[str] = "azure"
    prefix: ClassVar[str] = "/azure"
    key_headers: ClassVar[tuple[str, ...]] = ("api-key", "authorization")

    def first_switches(self) -> OpenAISwitches:
        """The switches as they are at first."""
        short = tuple(each.removeprefix("/v1") for each in ENDPOINTS)
        return OpenAISwitches(
            endpoints=ENDPOINTS + short,
            most_requests=100_000,
            absent="empty-file",
            expiry=(14 * DAY, 30 * DAY),
            lifetime=None,
            ready=1,
            bom=BOM,
        )

    def endpoints(self) -> Iterable[tuple[str, str, Kinds, Handler]]:
        """Each endpoint twice, once for each surface."""
        for method, path, kind, handle in super().endpoints():
            yield method, f"/openai/v1{path}", kind, handle
            yield method, f"/openai{path}", kind, _versioned(handle)

    def refuse(self, refusal: Refusal) -> Response:
        """`{"error": {code, message}}`, the status as code where there is no better one."""
        error = {"code": refusal.code or str(refusal.status), "message": refusal.message}
        return body_of({"error": error}, refusal.status, refusal.headers)


def _versioned(handle: Handler) -> Handler:
    """The same on the older surface: nothing is there without a known `api-version`."""

    async def checked(request: Request) -> Response:
        if request.query_params.get("api-version") not in VERSIONS:
            raise Refusal(404, "Resource not found")
        return await handle(request)

    return checked
