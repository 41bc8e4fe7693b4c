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
        lifetime: Seconds that a file is kept when its upload does not say; None is for ever.
        ready: For how many looks an uploaded file is not processed yet; until then it makes no batch.
        failed_has_files: A batch that failed at validation has files all the same, of no bytes (Azure).
        bom: What is said of a file that begins with a byte order mark; nothing special when empty.
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
    lifetime: float | None = 30 * 86_400.0
    ready: int = 0
    failed_has_files: bool = False
    bom: str = ""
    lines: Literal["openai", "ogx", "vllm"] = "openai"


@attrs.define
class AnthropicSwitches:
    """
    Anthropic.

    Attributes:
        versions: Values of `anthropic-version` that are served.
        breaks_2026: Version 2026-10-21 refuses `temperature`, `top_p` and `top_k`, documents in assistant
            messages and citations on a user's text.
        x_api_key_2026: `x-api-key` is taken with 2026-10-21, too (not confirmed in an official page).
        params_checked: Bad `params` show as errored lines `later` [recall], or refuse the whole `create`.
        refuse_duplicates: A custom_id that comes twice refuses the create [recall].
        most_requests: Requests in a batch.
        most_bytes: Bytes of a create.
        most_listed: The largest page; older documentation says 100.
        nested_errors: An errored line has its error at `result.error.error`; at `result.error` otherwise.
        ranges: Downloads can begin in the middle.
    """

    versions: tuple[str, ...] = ("2023-06-01", "2026-10-21")
    breaks_2026: bool = True
    x_api_key_2026: bool = True
    params_checked: Literal["later", "create"] = "later"
    refuse_duplicates: bool = True
    most_requests: int = 100_000
    most_bytes: int = 256 << 20
    most_listed: int = 1_000
    nested_errors: bool = True
    ranges: bool = False


@attrs.define
class GeminiSwitches:
    """
    Gemini, the Developer API.

    Attributes:
        versions: Which API versions are served.
        state_prefix: What stands before a state on the wire; the REST guide's samples show `JOB_STATE_`.
        place: Where results are told: `metadata.output` (as the SDK), `response` (as the guide), or both.
        error_member: The member of a failed line: `error`, or `status` as for a status object.
        partially_succeeded: A batch with lines missing ends as PARTIALLY_SUCCEEDED.
        cancelled_output: A cancelled batch tells what it has (not documented).
        expired_output: So does an expired one (the guide: none).
        download_paths: Which of the two download paths works.
        wrong_key: The status for a key of nobody: 400 [recall], or 401.
        not_yours: The status for what belongs to somebody else: 404, or 403 [recall].
        sha256_of_hex: The file's digest is base64 of the hexadecimal text [recall].
        ready: For how many looks an uploaded file is PROCESSING.
        most_inline: Bytes of a create with requests in it.
        most_upload: Bytes of a file.
        most_running: Batches under way at a time.
        upload_origin: Where upload URLs point, such as another server's address.
        status_missing: How many answers to chunks lack the header `x-goog-upload-status`.
        ranges: Downloads can begin in the middle.
    """

    versions: tuple[str, ...] = ("v1beta", "v1", "v1alpha")
    state_prefix: Literal["BATCH_STATE_", "JOB_STATE_"] = "BATCH_STATE_"
    place: Literal["metadata", "response", "both"] = "metadata"
    error_member: Literal["error", "status"] = "error"
    partially_succeeded: bool = False
    cancelled_output: bool = False
    expired_output: bool = False
    download_paths: Literal["both", "files", "download"] = "both"
    wrong_key: int = 400
    not_yours: int = 404
    sha256_of_hex: bool = False
    ready: int = 0
    most_inline: int = 20 << 20
    most_upload: int = 2 << 30
    most_running: int = 100
    upload_origin: str | None = None
    status_missing: int = 0
    ranges: bool = True


@attrs.define
class MistralSwitches:
    """
    Mistral.

    Attributes:
        metadata_filter: A list is narrowed by bare pairs such as `prep_id=abc`; whether the real server does
            so was never tested.
        partial: TIMEOUT_EXCEEDED and CANCELLED tell what they have (not documented).
        delete: Jobs can be deleted (in SDK 3.7.0, not in the public description of August 2026).
        detail: A 422 has the body `{"detail": [...]}` [recall].
        chunks: The text of an answer is a list of chunks [recall].
        most_requests: Requests in a file.
        most_inline: Requests in a create.
        most_upload: Bytes of a file.
        ranges: Downloads can begin in the middle.
    """

    metadata_filter: bool = True
    partial: bool = True
    delete: bool = True
    detail: bool = True
    chunks: bool = False
    most_requests: int = 1_000_000
    most_inline: int = 10_000
    most_upload: int = 512 << 20
    ranges: bool = True


@attrs.define
class OpenRouterSwitches:
    """
    OpenRouter.

    Attributes:
        endpoints: What `endpoint` may be.
        pages: Results come as pages, too; the first surface (`/api/beta`) has them in the batch alone.
        most_rows: Results on a page.
        early: A batch that ended early has its results; the first quickstart says that it has none.
        results_first: The batch tells its results before all else, which no sample does.
        most_listed: The largest page of the list.
        most_bytes: Bytes of a create (not documented).
    """

    endpoints: tuple[str, ...] = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings")
    pages: bool = True
    most_rows: int = 1_000
    early: bool = True
    results_first: bool = False
    most_listed: int = 100
    most_bytes: int = 512 << 20
