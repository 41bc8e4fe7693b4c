"""
Prompts out of files, and answers into files: what `reconcile prompt` reads and writes.

A file holds one prompt a line, or rows: a table with a header (.csv), or a JSON object a line (.jsonl).
"""

from __future__ import annotations

import contextlib
import csv
import io
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec

from reconciler.codec.cells import guarded, row_writer
from reconciler.errors import UsageError
from reconciler.model.facts import Kind
from reconciler.processors.tables import cell
from reconciler.prompts import PromptRecord
from reconciler.workspace.reading import Reading, locate

COLUMNS: Final = tuple(field.name for field in attrs.fields(PromptRecord))
_ROWS: Final = (".csv", ".jsonl", ".ndjson")


def text_of(file: str) -> str:
    """
    What a file holds.

    Raises:
        UsageError: It is not there, or no text.
    """
    real, kind = locate(file)
    if kind is not Kind.FILE:
        raise UsageError(f"there is no file {file}" if kind is None else f"{file} is not a file")
    folder, _, leaf = real.rpartition("/")
    with contextlib.closing(Reading(folder or "/")) as look:
        return decoded(file, look.read(leaf))


def decoded(file: str, data: bytes) -> str:
    """
    Bytes as text.

    Raises:
        UsageError: They are none.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        told = f"{file} is no text in UTF-8: {error.reason} at byte {error.start}"
        raise UsageError(told, hint="save it as UTF-8, as with iconv -f latin1 -t utf-8") from error


def lines_of(file: str, text: str) -> Iterator[str]:
    """
    One prompt a line; blank lines are none.

    Raises:
        UsageError: It is a file of rows, of which nobody said what to make.
    """
    if file.lower().endswith(_ROWS):
        hint = "--template 'Translate: {text}'    names the columns; {text} alone takes one as it is"
        raise UsageError(f"{file} holds rows, and no --template says what to ask of them", hint=hint)
    for line in text.split("\n"):
        if line.strip():
            yield line.removesuffix("\r")


def rows_of(file: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """
    The rows of a table, each with its line.

    What has no name that says so is JSON where it begins with a brace, and CSV elsewhere.

    Raises:
        UsageError: A row cannot be read.
    """
    named = file.lower().endswith(_ROWS)
    if file.lower().endswith(".csv") or not (named or text.lstrip().startswith("{")):
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        try:
            for row in reader:
                yield reader.line_num, {key: value for key, value in row.items() if key is not None}
        except csv.Error as error:
            raise UsageError(f"{file}:{reader.line_num}: {error}") from error
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UsageError(f"{file}:{number}: no JSON: {error}") from error
        if not isinstance(found, dict):
            raise UsageError(f"{file}:{number}: not an object")
        yield number, found


def templated(template: str, rows: Iterable[tuple[int, Mapping[str, Any]]], file: str) -> Iterator[str]:
    """
    A prompt for each row.

    Args:
        template: Text with `{column}`s; `{{` and `}}` are braces.
        rows: Line and row.
        file: For errors.

    Raises:
        UsageError: The template is none, or a row lacks a column of it.
    """
    try:
        parts = [(text, name) for text, name, _, _ in string.Formatter().parse(template)]
    except ValueError as error:
        raise UsageError(f"--template cannot be read: {error}", hint="{{ and }} are braces") from error
    for number, row in rows:
        missing = sorted({name for _, name in parts if name is not None and row.get(name) is None})
        if missing:
            hint = f"it has: {', '.join(map(str, row))}"
            raise UsageError(f"{file}:{number}: no column {', '.join(missing) or '{}'}", hint=hint)
        yield "".join(text + ("" if name is None else _shown(row[name])) for text, name in parts)


def blocks_of(records: Sequence[PromptRecord], kind: str) -> Iterator[bytes]:
    """The answers as lines of JSON, CSV or plain text."""
    if kind == "text":
        yield from ((record.text or "").encode() + b"\n" for record in records)
    elif kind == "jsonl":
        for record in records:
            yield msgspec.json.encode({name: getattr(record, name) for name in COLUMNS}) + b"\n"
    else:
        buffer = io.StringIO(newline="")
        write = row_writer(buffer)
        write(COLUMNS)
        for record in records:
            values = (getattr(record, name) for name in COLUMNS)
            write([guarded(each) if isinstance(each, str) else cell(each) for each in values])
        yield buffer.getvalue().encode()


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
