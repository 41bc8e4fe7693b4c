"""
Azure OpenAI: OpenAI's batch API under another roof.

Pure. Source: Microsoft's batch guide and its REST samples. There are two surfaces: `/openai/v1`, and the
older `/openai` with an `api-version` on every call. An uploaded file has to be processed before a batch can
be made of it; a file in which nothing failed has no bytes, and is a file all the same.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.remote import Limits
from reconciler.providers.openai import Expiry, Switches

KEYS: Final = ("AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_API_KEY")
"""A token outranks a key, as in the official client."""
TOKEN: Final = KEYS[0]
HEADER: Final = "api-key"
LIMITS: Final = Limits(requests=100_000, size=200 << 20)
_V1: Final = ("", "v1")
_BELOW: Final = ("/openai/v1", "/openai")


def base_of(resource: str, version: str) -> str:
    """
    The base URL of a resource.

    Args:
        resource: `https://NAME.openai.azure.com`; what stands below it may stand there already.
        version: The version of the API; empty or `v1` for the surface that has none.
    """
    for below in _BELOW:
        resource = resource.removesuffix(below)
    return resource + ("/openai/v1" if version in _V1 else "/openai")


def switches_of(version: str) -> Switches:
    """How Azure differs, with that version of the API."""
    return Switches(
        query={} if version in _V1 else {"api-version": version},
        content_type="application/json",
        processes=True,
        expiry=Expiry.DOTS,
        limits=LIMITS,
    )
