"""
What the providers' own packages say about one exchange: their types, taken strictly.

A request is held against the type of the official client's arguments, an answer against the type that it
would give to its user. A member that the type does not know is a finding, and so is a value of another type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NotRequired, Required, get_origin

import anthropic.types.messages as anthropic_types
import attrs
import openai.types as openai_types
from google.genai import batches as google_batches
from google.genai import types as google_types
from mistralai.client import models as mistral_types
from mistralai.client.types.basemodel import UnrecognizedStr
from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import get_type_hints

from tests.judging.kept import form_of
from tests.judging.tape import Said, Spoken

Parse = Callable[[Any], Any]


def typed(kind: Any) -> Parse:
    """Parse as *kind*, strictly, as JSON is."""
    adapter = TypeAdapter(kind)
    return lambda value: adapter.validate_json(json.dumps(value), strict=True)


def lax(kind: Any) -> Parse:
    """Parse as *kind* texts that stand for numbers, as in a query or a form."""
    return TypeAdapter(kind).validate_python


def page_of(kind: Any, *names: str) -> Parse:
    """A list of *kind* below `data`, with no other members than *names*."""
    one = typed(kind)

    def parse(value: Any) -> Any:
        assert set(value) <= {"data", *names}, set(value)
        return {**value, "data": [one(each) for each in value["data"]]}

    return parse


def form(kind: Any) -> Parse:
    """The fields of a form as *kind*; its `file` is bytes here."""
    fields = {name: lax(hint) for name, hint in get_type_hints(kind).items() if name != "file"}
    marks: dict[str, Any] = {
        name: get_origin(hint) for name, hint in get_type_hints(kind, include_extras=True).items()
    }
    needed = {
        name
        for name, mark in marks.items()
        if mark == Required or (kind.__total__ and mark != NotRequired)  # the type's own set forgets strings
    }

    def parse(value: Any) -> Any:
        assert needed <= set(value), set(value)
        return {
            name: fields[name](each) if name in fields else each
            for name, each in value.items()
            if name in {*fields, "file"}
        }

    return parse


def nothing(value: Any) -> Any:
    """No members at all."""
    assert value == {}, value
    return value


@attrs.frozen
class Rule:
    """
    What is said at one endpoint.

    Attributes:
        method: GET, POST, DELETE.
        path: An expression for the path, below the base URL.
        answer: The answer's type; for lines, that of each.
        query: The query's type.
        body: The type of a JSON body, or of a form's fields.
    """

    method: str
    path: str
    answer: Parse
    query: Parse = nothing
    body: Parse = nothing


def strays(raw: Any, parsed: Any, at: str = "") -> Iterator[str]:
    """Members of *raw* of which nothing came into *parsed*, and words that its lists of words do not have."""
    if isinstance(raw, dict):
        names = {}
        if isinstance(parsed, BaseModel):
            names = {field.alias or name: name for name, field in type(parsed).model_fields.items()}
        elif isinstance(parsed, Mapping):
            names = {name: name for name in parsed}
        for key, value in raw.items():
            if key not in names:
                yield f"{at}.{key}"
                continue
            inner = getattr(parsed, names[key]) if isinstance(parsed, BaseModel) else parsed[names[key]]
            yield from strays(value, inner, f"{at}.{key}")
    elif isinstance(parsed, UnrecognizedStr):
        yield f"{at} = {raw!r}"
    elif isinstance(raw, list) and isinstance(parsed, Iterable):
        for number, (each, one) in enumerate(zip(raw, parsed, strict=True)):
            yield from strays(each, one, f"{at}[{number}]")


def findings(rules: Sequence[Rule], spoken: Spoken, prefix: str) -> Iterator[str]:
    """What is wrong with an exchange; its endpoint has to be one of the *rules*."""
    asked, answered = spoken.asked, spoken.answered
    path = asked.path.removeprefix(prefix)
    for rule in rules:
        if rule.method == asked.method and re.fullmatch(rule.path, path):
            break
    else:
        yield f"{asked.method} {path} is no endpoint"
        return
    yield from _held(rule.query, asked.query, f"{asked.line}: query")
    yield from _held(rule.body, _body(asked), f"{asked.line}: body")
    if answered.line != "200":
        yield f"{asked.line}: answered {answered.line}"
    elif path.endswith(("/content", "/results", ":download")):
        for line in answered.body.splitlines():
            yield from _held(rule.answer, json.loads(line), f"{asked.line}: line")
    else:
        yield from _held(rule.answer, answered.json() if answered.body else {}, f"{asked.line}: answer")


def _held(parse: Parse, raw: Any, where: str) -> Iterator[str]:
    try:
        parsed = parse(raw)
        yield from (f"{where}: nobody knows {stray}" for stray in strays(raw, parsed))
    except (ValidationError, AssertionError, KeyError, Warning) as error:
        yield f"{where}: {error}"


def _body(asked: Said) -> Any:
    """What a request carries: JSON, or the fields of a form, `a[b]` and `a.b` as members of `a`."""
    if not asked.body:
        return {}
    kind = asked.headers.get("content-type", "")
    if kind == "application/json":
        return asked.json()
    if not kind.startswith("multipart/"):
        return {}  # the bytes of a file
    fields: dict[str, Any] = {}
    for part in form_of(asked):
        outer, *inner = re.split(r"[.\[]", part["name"].removesuffix("]"))
        if inner:
            fields.setdefault(outer, {})[inner[0]] = (
                int(part["value"]) if part["value"].isdigit() else part["value"]
            )
        else:
            fields[outer] = part.get("value", b"")
    return fields


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
