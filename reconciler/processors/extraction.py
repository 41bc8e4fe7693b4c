"""
Take out of an answer what the settings ask for, or say why the answer is invalid.

Pure: the same answer and the same extraction come to the same, in every process and at any time, because the
account of a batch hangs on it. Only the text is looked at: no provider's thinking is part of that.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import attrs
import msgspec

from reconciler.model.content import Content
from reconciler.model.exchange import Result
from reconciler.model.extraction import Extraction, Kind, Think
from reconciler.model.outcome import ErrorClass, Outcome
from reconciler.processors.citing import mapped
from reconciler.processors.content import TRUNCATING, How, Unreadable, behind_thinking, read
from reconciler.processors.repair import DEPTH, nested_text

BACKTRACKS: Final = 1_000_000
"""Steps that a regular expression of a schema may take back on one string."""

PATTERN_BYTES: Final = 1 << 20
"""Size of a compiled regular expression of a schema."""

_TAGS: Final = "tags"
_SHOWN: Final = 200
_WORDS: Final = frozenset(
    "$defs $id $ref $schema additionalProperties allOf anyOf const contains default definitions description"
    " enum examples format items maxItems maxLength maximum minItems minLength minimum multipleOf not oneOf"
    " pattern patternProperties prefixItems properties required title type uniqueItems".split()
)


@attrs.frozen
class Taken:
    """
    What was taken out.

    Attributes:
        value: The value.
        how: How it was found: `tags`, or a word of `content.How`.
        at: Where the JSON that a schema was held against begins in the text; -1 where that is not known.
    """

    value: Any
    how: str
    at: int = attrs.field(default=-1, eq=False)


@attrs.frozen
class Invalid:
    """Why an answer does not hold it: *why* is a word, *reason* is for people."""

    why: str
    reason: str


class BadSchema(Exception):
    """A text that is no JSON Schema, or one that cannot be used here; says why."""


def held_to(result: Result, extraction: Extraction | None) -> Result:
    """
    A result with what was taken out of its text, or as failed where the text does not hold it.

    Args:
        result: Any result; one that has failed stays as it is.
        extraction: What is asked of it, None for nothing.
    """
    if extraction is None or result.outcome is not Outcome.ANSWERED:
        return result
    found = take(result, extraction)
    if isinstance(found, Taken):
        held = attrs.evolve(result, value=found.value, value_from=found.how)
        if not result.citations or extraction.kind is not Kind.SCHEMA:
            return held
        vouched = mapped(result.text or "", found.at, found.value, result.citations)
        return attrs.evolve(held, citation_mappings=vouched)
    return attrs.evolve(
        result,
        outcome=Outcome.FAILED,
        error_class=ErrorClass.INVALID_ANSWER,
        error_code=found.why,
        error_message=found.reason,
    )


def take(result: Result, extraction: Extraction) -> Taken | Invalid:
    """What *extraction* asks for, out of an answer that has not failed."""
    text = result.text or ""
    if extraction.think is Think.SKIP:
        text = behind_thinking(text)
    if not text.strip():
        return _silent(result)
    if extraction.kind is Kind.TAGS:
        return _between(text, extraction, cut=(result.finish_reason or "").lower() in TRUNCATING)
    return _of_json(result, text, extraction)


def _silent(result: Result) -> Invalid:
    """Why there is nothing to look at."""
    if result.refusal:
        return Invalid("refused", f"the model refused: {result.refusal[:_SHOWN]}")
    if result.text and result.text.strip():
        return Invalid("no-text", "the answer holds thinking and nothing else")
    return Invalid("no-text", "the answer has no text")


def _between(text: str, tags: Extraction, *, cut: bool) -> Taken | Invalid:
    """What stands between the tags, white space around it left out; every pair has to say the same."""
    prefix, suffix = tags.prefix, tags.suffix
    value, count, at = "", 0, 0
    while (begin := text.find(prefix, at)) >= 0:
        inside = begin + len(prefix)
        end = text.find(suffix, inside)
        if end < 0:
            break
        # Of a tag that is only spoken of, and never closed, the next one is not a part.
        inside = max(inside, text.rfind(prefix, inside, end) + len(prefix))
        found = text[inside:end].strip()
        if not found:
            return Invalid("empty-tag", f"nothing stands between {_shown(prefix)} and {_shown(suffix)}")
        if count and found != value:
            return Invalid("tags-differ", f"two tags differ: {_shown(value)} and {_shown(found)}")
        value, count, at = found, count + 1, end + len(suffix)
    if count:
        return Taken(value, _TAGS)
    told = ", and the length limit cut the answer off" if cut else ""
    return Invalid("no-tag", f"there is no {_shown(prefix)}...{_shown(suffix)} in the answer{told}")


def _of_json(result: Result, text: str, extraction: Extraction) -> Taken | Invalid:
    """The answer, of which *text* is no thinking, read as JSON, and then by pointer or schema."""
    if nested_text(text):
        return Invalid("too-deep", f"its brackets nest more than {DEPTH} deep")
    seen = read(result, Content.JSON, extraction.think)
    if isinstance(seen, Unreadable):
        return Invalid(seen.why.value, seen.reason)
    if _nested(seen.value):
        return Invalid("too-deep", f"it is nested more than {DEPTH} deep")
    if extraction.kind is Kind.POINTER:
        return _pointed(seen.value, seen.how, extraction.pointer)
    because = violation(extraction.schema, seen.value)
    return Taken(seen.value, seen.how.value, seen.at) if because is None else Invalid("schema", because)


def _pointed(value: Any, how: How, pointer: str) -> Taken | Invalid:
    """The value at an RFC 6901 pointer that is well written."""
    so_far = ""
    for token in pointer.split("/")[1:]:
        so_far += f"/{token}"
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and _is_position(key) and int(key) < len(value):
            value = value[int(key)]
        else:
            return Invalid("pointer", f"there is no {_shown(so_far)} in the answer")
    return Taken(value, how.value)


def _is_position(key: str) -> bool:
    """Whether RFC 6901 takes a token for a place in an array; nine digits reach further than any answer."""
    return key == "0" or (key.isascii() and key.isdigit() and key[0] != "0" and len(key) < 10)  # noqa: PLR2004 - as said


def violation(schema: str, value: Any) -> str | None:
    """Why *value* does not satisfy *schema*, in one line for people; None when it does."""
    # The words of the library repeat the value, which may be of any size.
    error = next(iter(_validator(schema).iter_errors(value)), None)
    if error is None:
        return None
    where = "".join(f"/{each}" for each in error.instance_path)
    return f"{_cut(error.message)} (at {_shown(where)})" if where else _cut(error.message)


def compile_schema(schema: Any) -> str:
    """
    A decoded JSON Schema as the text that an extraction keeps.

    Raises:
        BadSchema: It is none, names what is not part of it, or holds an expression of immoderate size.
    """
    if not isinstance(schema, dict):
        raise BadSchema("a schema is a JSON object")
    if _nested(schema):
        raise BadSchema(f"it is nested more than {DEPTH} deep")
    text = msgspec.json.encode(schema, order="sorted").decode()
    try:
        _validator(text)
    except Exception as error:
        # The library has an exception for each kind of fault, and no class above them all.
        raise BadSchema(_cut(str(error).partition("\n")[0])) from error
    return text


def refuse_wordless(schema: Any) -> None:
    """
    Hold a schema to asking for something: an example of an answer is easily taken for a schema of it.

    Raises:
        BadSchema: It has members, and none of them is a word of JSON Schema.
    """
    if isinstance(schema, dict) and schema and not schema.keys() & _WORDS:
        few = ", ".join(map(str, list(schema)[:3]))
        told = _cut(f"it has {few}, and no word of a schema such as type or properties; is it an example?")
        raise BadSchema(told)


@functools.lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    """
    What holds values to a schema: draft 2020-12 unless it names another, `format` not looked at.

    Nothing is fetched, wherever a `$ref` leads, and regular expressions cannot run away.
    """
    import jsonschema_rs  # noqa: PLC0415 - 20 ms that most passes never need

    decoded = msgspec.json.decode(schema)
    make = jsonschema_rs.validator_for if "$schema" in decoded else jsonschema_rs.Draft202012Validator
    limits = jsonschema_rs.FancyRegexOptions(
        backtrack_limit=BACKTRACKS, size_limit=PATTERN_BYTES, dfa_size_limit=PATTERN_BYTES
    )
    return make(decoded, validate_formats=False, pattern_options=limits, offline=True)


def _nested(value: Any) -> bool:
    """The same of a value."""
    level, depth = [value], 0
    while level:
        level = [child for each in level for child in _children(each)]
        depth += 1
        if depth > DEPTH + 1:
            return True
    return False


def _children(value: Any) -> list[Any]:
    """What stands right below a value."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _shown(text: str) -> str:
    """A text of an answer as people may safely see it: quoted, escaped, cut; an escape is ten characters."""
    shown = repr(text[: _SHOWN + 1])
    return shown if len(shown) <= _SHOWN + 2 else f"{shown[:_SHOWN]}...{shown[0]}"


def _cut(text: str) -> str:
    """The beginning of a text, on one line and without anything that a terminal would obey."""
    line = "".join(each if each.isprintable() else " " for each in text[: _SHOWN + 1])
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
