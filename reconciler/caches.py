"""
Where `prompt_map` keeps its batches: a workspace of the user's own, or a cache folder that is one.

A cache folder is made for each key (see `prompting.Ask.key`), so that answers to another model or under other
parameters are never taken for these.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs
import msgspec

from reconciler.choices import path_of
from reconciler.codec.request import decode_request
from reconciler.config import settle
from reconciler.errors import NotAWorkspace, UsageError
from reconciler.executor.context import viewing
from reconciler.executor.lineages import lineages
from reconciler.executor.reading import Lines
from reconciler.model.facts import Kind
from reconciler.model.identity import Role, file_name, parse_name
from reconciler.model.rows import ResultRow
from reconciler.prompting import name_and_turn, prompt_of
from reconciler.results import Results
from reconciler.session import Options, session
from reconciler.trust import require_own
from reconciler.workspace.effects import Effects
from reconciler.workspace.exporting import destination, export
from reconciler.workspace.layout import find
from reconciler.workspace.reading import Reading, locate
from reconciler.workspace.template import ensure

Known: TypeAlias = dict[str, tuple[ResultRow, int]]
"""The best that is known of each prompt, by the id of the prompt, and how often it was asked anew."""


@attrs.frozen
class Cache:
    """
    The batches of one key.

    Attributes:
        path: The workspace, a real path.
        prefix: How their names begin.
    """

    path: str
    prefix: str

    def known(self) -> Known:
        """The best that is known of each prompt, by the id of the prompt, and how often it was asked anew."""
        found: Known = {}
        with contextlib.suppress(UsageError):  # there is no such batch yet
            for row in Results(self.path, settle(), [f"{self.prefix}-*"]):
                name, turn = name_and_turn(row.custom_id)
                before = found.get(name)
                if before is None or not before[0].answered:
                    found[name] = (row, max(turn, 0 if before is None else before[1]))
        return found

    def add(self, wanted: Callable[[Known], Iterable[bytes]]) -> None:
        """
        Make a batch of request lines, whole or not at all; of none, none is made.

        Args:
            wanted: Gives the lines, by what is known while nobody else can add any.
        """
        with session(self.path, settle(), Options()) as held:
            lines = iter(wanted(self.known()))
            first = next(lines, None)
            if first is None:
                return
            taken = {lineage.root.name for lineage in lineages(held.ctx)}
            number = 1
            while f"{self.prefix}-{number:04}" in taken:
                number += 1
            name = parse_name(f"{self.prefix}-{number:04}")
            if name is None:
                raise UsageError(f"{self.prefix}-{number:04} is no name of a batch")
            path = held.layout.live_path(file_name(Role.INPUT, name))
            held.ctx.fx.publish(path, itertools.chain((first,), lines))

    def prompts(self) -> Iterator[tuple[str, Any]]:
        """Id and prompt of each request, in the order in which they were first asked."""
        with viewing(self.path, settle()) as view, contextlib.suppress(UsageError):
            for lineage in lineages(view, [f"{self.prefix}-*"]):
                fact = lineage.root.files.get(Role.INPUT)
                if fact is not None:
                    for line in Lines(view, fact):
                        request = decode_request(line, fact.path)
                        yield name_and_turn(request.custom_id)[0], prompt_of(request)

    def remove(self) -> None:
        """Remove the whole folder, which is a cache folder of ours; nobody else works in it meanwhile."""
        root = find(self.path).root
        folder, _, leaf = root.rpartition("/")
        with session(self.path, settle(), Options()), contextlib.closing(Effects(folder or "/")) as fx:
            _remove(fx, leaf)


def _remove(fx: Effects, folder: str) -> None:
    """Remove a folder and everything in it; links are removed, not followed."""
    for entry in fx.listing(folder):
        path = f"{folder}/{entry.name}"
        if entry.kind is Kind.FOLDER:
            _remove(fx, path)
        else:
            fx.unlink(path)
    fx.remove_folder(folder)


def open_cache(folder: str | os.PathLike[str] | None, key: str) -> Cache:
    """
    The cache folder of a key, made if need be.

    Args:
        folder: Where cache folders are; None for the user's own cache.
        key: What changes the answers.
    """
    if folder is None:
        from platformdirs import user_cache_dir  # noqa: PLC0415 - where nobody says

        folder = os.path.join(user_cache_dir("reconciler"), "prompts")  # noqa: PTH118 - text in, text out
    path = f"{path_of('cache_dir', folder)}/{key}"
    return Cache(make_workspace(path), "prompts")


def make_workspace(path: str) -> str:
    """
    Make a workspace, with the folders above it, unless there is one; it has to be the user's own.

    Returns:
        Its real path.

    Raises:
        NotAWorkspace: A folder of something else is there.
    """
    if locate(path)[1] is Kind.FOLDER:
        require_own(path, os.environ.get("RECONCILER_USER_CONFIG"))
        with contextlib.suppress(NotAWorkspace):
            return find(path).root
    return ensure(path)


def variables_of(
    env_file: str | os.PathLike[str] | None, environment: Mapping[str, str]
) -> Mapping[str, str]:
    """
    Environment variables, with those of a file below them.

    Raises:
        UsageError: There is no such file, or python-dotenv is not installed.
    """
    if env_file is None:
        return dict(environment)
    try:
        from dotenv import dotenv_values  # noqa: PLC0415 - only where a file is named
    except ImportError as error:
        raise UsageError("env_file takes python-dotenv", hint="pip install 'reconciler[env]'") from error
    real, kind = locate(os.fspath(env_file))
    if kind is not Kind.FILE:
        raise UsageError(f"there is no file {env_file}")
    folder, _, leaf = real.rpartition("/")
    with contextlib.closing(Reading(folder or "/")) as look:
        text = look.read(leaf).decode(errors="replace")
    found = {
        key: value for key, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None
    }
    return {**found, **environment}


def export_jsonl(cache: str | os.PathLike[str], out: str | os.PathLike[str]) -> str:
    """
    Write what became of every prompt that was ever asked there, finished or failed, in the order of asking.

    Args:
        cache: A cache folder, or a workspace; of a run that was killed too.
        out: The file; whole, in place of an older one.

    Returns:
        The file, as an absolute path.
    """
    path = path_of("export_jsonl", cache)
    prefixes = _prefixes(path)
    where = destination(find(path).root, path_of("export_jsonl", out))

    def lines() -> Iterator[bytes]:
        for prefix in prefixes:
            found = Cache(path, prefix)
            known, seen = found.known(), set[str]()
            for name, prompt in found.prompts():
                if name not in seen:
                    seen.add(name)
                    yield msgspec.json.encode({"prompt": prompt, **_told(known.get(name))}) + b"\n"

    export(where, lines())
    return where.whole


def _told(known: tuple[ResultRow, int] | None) -> Mapping[str, Any]:
    if known is None:
        return {"outcome": "pending", "text": None, "error": None}
    row = known[0]
    return {
        "outcome": row.outcome.value,
        "text": row.text,
        "error": row.error_message or row.error_code or row.error_class,
        "model": row.model,
        "usage": row.usage,
    }


def _prefixes(path: str) -> list[str]:
    """The keys whose prompts were asked in a workspace, in order."""
    with viewing(path, settle()) as view:
        names = [lineage.root.name for lineage in lineages(view)]
    return sorted({name.rpartition("-")[0] for name in names if name.startswith("prompts")})
