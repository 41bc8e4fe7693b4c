"""
Switches: where services that speak a dialect differ, and what no source has settled.

A test sets them on the dialect (`fake.openai.switches.one_model = False`); `reset` sets them back.
"""

from __future__ import annotations

from typing import Final, Literal

import attrs

ENDPOINTS: Final = tuple(
    "/v1/responses /v1/chat/completions /v1/embeddings /v1/completions /v1/moderations"
    " /v1/images/generations /v1/images/edits /v1/videos".split()
)
HOUR: Final = 3_600


@attrs.define
class OpenAISwitches:
    """
    Where services differ, and what is not certain.

    Attributes:
        purpose: The purpose of an input file; Together wants `batch-api`.
        endpoints: What `endpoint` may be.
        windows: What `completion_window` may be; Groq takes up to `7d`. Empty: it is ignored.
        most_requests: Requests in a file.
        most_bytes: Bytes in a batch's input file.
        most_upload: Bytes in any file.
        one_model: A file with two models fails as `model_mismatch` [recall].
        lines_have_url: Lines need `method` and `url`.
        metadata: Batches carry metadata; Together has none.
        wrapper: The key that a create reply is wrapped in; Together's is `job`.
        upper_case: States are told in upper case, as Together does.
        capital: States are told with a capital, as in Azure's samples.
        iso: Times are told as ISO texts.
        counts: Batches tell their counts; Together tells `progress`.
        null_counts: Counts not known yet are null and not 0.
        list_key: The list's array; Azure's samples show `value`.
        paging: Lists have pages.
        oldest_first: The order of lists, which is documented nowhere.
        absent: What stands for an output or error file that does not exist.
        ranges: Downloads can begin in the middle.
        expiry: The shortest and longest `expires_after`, in seconds.
        ready: For how many looks an uploaded file is not processed yet; until then it makes no batch.
        lines: The result lines: `openai`; `ogx` (a body that is a JSON text, error lines without `response`);
            `vllm` (the error is a plain text).
    """

    purpose: str = "batch"
    endpoints: tuple[str, ...] = ENDPOINTS
    windows: tuple[str, ...] = ("24h",)
    most_requests: int = 50_000
    most_bytes: int = 200 << 20
    most_upload: int = 512 << 20
    one_model: bool = True
    lines_have_url: bool = True
    metadata: bool = True
    wrapper: str = ""
    upper_case: bool = False
    capital: bool = False
    iso: bool = False
    counts: bool = True
    null_counts: bool = False
    list_key: str = "data"
    paging: bool = True
    oldest_first: bool = False
    absent: Literal["null", "empty-id", "empty-file"] = "null"
    ranges: bool = True
    expiry: tuple[int, int] = (HOUR, 30 * 86_400)
    ready: int = 0
    lines: Literal["openai", "ogx", "vllm"] = "openai"
