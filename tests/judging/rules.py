"""
What is said at each endpoint, in the types of the providers' own packages; see `official.py`.

Where a package has no type for something that stands in a line or around a list, its members are named here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anthropic.types.messages as anthropic_types
import attrs
import openai.types as openai_types
from google.genai import batches as google_batches
from google.genai import types as google_types
from mistralai.client import models as mistral_types

from tests.judging.official import Rule, form, lax, nothing, page_of, typed

# --- OpenAI, and Azure --------------------------------------------------------------------------------------


def _openai_line(line: Any) -> Any:
    """A line of an output or an error file; what was answered is what the endpoint answers."""
    assert set(line) == {"id", "custom_id", "response", "error"}, set(line)
    if line["error"] is not None:
        assert set(line["error"]) <= {"code", "message"}, line
    reply = line["response"]
    if reply is None:
        return line
    assert set(reply) == {"status_code", "request_id", "body"}, reply
    body = (
        typed(openai_types.chat.ChatCompletion)(reply["body"])
        if reply["status_code"] == 200
        else reply["body"]
    )
    return {**line, "response": {**reply, "body": body}}


_CURSOR: Final = ("object", "first_id", "last_id", "has_more")
_OPENAI_FILE: Final = typed(openai_types.FileObject)
_OPENAI_BATCH: Final = typed(openai_types.Batch)
OPENAI: Final = (
    Rule("POST", "/files", _OPENAI_FILE, body=form(openai_types.FileCreateParams)),
    Rule("GET", "/files", page_of(openai_types.FileObject, *_CURSOR), lax(openai_types.FileListParams)),
    Rule("GET", "/files/[^/]+", _OPENAI_FILE),
    Rule("DELETE", "/files/[^/]+", typed(openai_types.FileDeleted)),
    Rule("GET", "/files/[^/]+/content", _openai_line),
    Rule("POST", "/batches", _OPENAI_BATCH, body=typed(openai_types.BatchCreateParams)),
    Rule("GET", "/batches", page_of(openai_types.Batch, *_CURSOR), lax(openai_types.BatchListParams)),
    Rule("GET", "/batches/[^/]+", _OPENAI_BATCH),
    Rule("POST", "/batches/[^/]+/cancel", _OPENAI_BATCH),
)
AZURE: Final = tuple(attrs.evolve(rule, path=f"/openai/v1{rule.path}") for rule in OPENAI)

# --- Anthropic ----------------------------------------------------------------------------------------------

_BATCHES: Final = "/v1/messages/batches"
_MESSAGE_BATCH: Final = typed(anthropic_types.MessageBatch)
ANTHROPIC: Final = (
    Rule("POST", _BATCHES, _MESSAGE_BATCH, body=typed(anthropic_types.BatchCreateParams)),
    Rule(
        "GET",
        _BATCHES,
        page_of(anthropic_types.MessageBatch, "first_id", "last_id", "has_more"),
        lax(anthropic_types.BatchListParams),
    ),
    Rule("GET", f"{_BATCHES}/[^/]+", _MESSAGE_BATCH),
    Rule("POST", f"{_BATCHES}/[^/]+/cancel", _MESSAGE_BATCH),
    Rule("GET", f"{_BATCHES}/[^/]+/results", typed(anthropic_types.MessageBatchIndividualResponse)),
)

# --- Gemini -------------------------------------------------------------------------------------------------


def _operation(value: Any) -> Any:
    """A batch, read as the official client reads it, which passes over what its users are not shown."""
    google_types.BatchJob.model_validate(google_batches._BatchJob_from_mldev(value))  # noqa: SLF001 - the only place that knows the shape
    return value


def _operations(value: Any) -> Any:
    assert set(value) <= {"operations", "nextPageToken"}, value
    return {**value, "operations": [_operation(each) for each in value.get("operations", ())]}


def _gemini_line(line: Any) -> Any:
    if "error" in line:
        assert set(line) == {"key", "error"}, line
        return {**line, "error": google_types.JobError.model_validate(line["error"])}
    return {**line, "response": google_types.GenerateContentResponse.model_validate(line["response"])}


def _uploaded(value: Any) -> Any:
    return {"file": google_types.File.model_validate(value["file"])} if value else {}


def _any(value: Any) -> Any:
    return value


_GEMINI_FILE: Final = google_types.File.model_validate
GEMINI: Final = (
    Rule("POST", "/upload/v1beta/files", _uploaded, _any, _any),
    Rule("GET", "/v1beta/files", _any, _any),
    Rule("GET", "/v1beta/files/[^/:]+", _GEMINI_FILE),
    Rule("DELETE", "/v1beta/files/[^/:]+", nothing),
    Rule("GET", "/v1beta/files/[^/:]+:download", _gemini_line, _any),
    Rule("POST", "/v1beta/models/[^/:]+:batchGenerateContent", _operation, body=_any),
    Rule("GET", "/v1beta/batches", _operations, _any),
    Rule("GET", "/v1beta/batches/[^/:]+", _operation),
    Rule("POST", "/v1beta/batches/[^/:]+:cancel", nothing),
)
"""What a request is, `test_official.py` asks the official client: its types do not say it."""

# --- Mistral ------------------------------------------------------------------------------------------------


def _mistral_line(line: Any) -> Any:
    reply = line.get("response")
    if not reply or reply["status_code"] != 200:
        return line
    return {**line, "response": {**reply, "body": typed(mistral_types.ChatCompletionResponse)(reply["body"])}}


_JOB: Final = typed(mistral_types.BatchJob)
MISTRAL: Final = (
    Rule(
        "POST",
        "/v1/files",
        typed(mistral_types.CreateFileResponse),
        body=form(mistral_types.MultiPartBodyParamsTypedDict),
    ),
    Rule(
        "GET",
        "/v1/files",
        typed(mistral_types.ListFilesResponse),
        lax(mistral_types.FilesAPIRoutesListFilesRequestTypedDict),
    ),
    Rule("DELETE", "/v1/files/[^/]+", typed(mistral_types.DeleteFileResponse)),
    Rule("GET", "/v1/files/[^/]+/content", _mistral_line),
    Rule("POST", "/v1/batch/jobs", _JOB, body=typed(mistral_types.CreateBatchJobRequestTypedDict)),
    Rule(
        "GET",
        "/v1/batch/jobs",
        typed(mistral_types.ListBatchJobsResponse),
        lax(mistral_types.JobsAPIRoutesBatchGetBatchJobsRequestTypedDict),
    ),
    Rule("GET", "/v1/batch/jobs/[^/]+", _JOB),
    Rule("POST", "/v1/batch/jobs/[^/]+/cancel", _JOB),
)

RULES: Final[Mapping[str, Sequence[Rule]]] = {
    "openai": OPENAI,
    "azure": AZURE,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "mistral": MISTRAL,
}
