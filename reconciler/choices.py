"""
What a caller may choose, and what comes of it: settings and code, ready for a pass.

The command line and the library meet here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, cast

import attrs

from reconciler.config import Settings, settle
from reconciler.config.table import CLASSES, PROVIDERS, UNCHANGEABLE
from reconciler.errors import UsageError
from reconciler.executor.context import Progress, Silent
from reconciler.executor.hooks import Plugged
from reconciler.model.outcome import ErrorClass, parse_classes
from reconciler.plugins import NOTHING_GIVEN, Given, Mode, Plugs
from reconciler.processors.base import Per, Processor, wrap
from reconciler.processors.transform import Transform, transform
from reconciler.providers.base import Worker
from reconciler.reaching import refuse_unknown
from reconciler.session import Options, Unwatched, Watcher
from reconciler.trust import require, require_own
from reconciler.workspace.layout import find
from reconciler.workspace.sources import own_file, settings_files, user_file

if TYPE_CHECKING:
    from reconciler.model.exchange import Result

Function: TypeAlias = Callable[..., Any]


class Choices(TypedDict, total=False):
    """
    What any call may choose; everything else is as the settings say.

    Keys:
        provider: Who answers, as `[provider] name`.
        content: What answers are read as: `text`, `json` or `jsonl`.
        on_result: Called with each answered result; what it returns is the `value` of that line.
        output_processor: Instead of it: a built-in name, `module:function`, or a function of `(result)` or
            `(batch, context)`.
        error_processor: `summary`, `module:function`, or a function; says what becomes of failures.
        transforms: What changes failed requests before they are sent again, by error class:
            `module:function`, or a function of `(request)` or `(request, failure)`.
        worker: What the embedded provider runs: `echo`, `module:function`, or a function of `(request)`.
        settings: Any other setting, by `section.key`.
        environment: Whether RECONCILER_ variables and the user's own file count; True unless given.
        watcher: Told what a pass does.
        progress: Told about long reading. True, for `Batch.run` and `Run.wait` alone: where the run stands is
            drawn on the terminal, if stderr is one.
        stopping: Asked now and then whether to stop.
    """

    provider: str
    content: str
    on_result: Callable[[Result], Any]
    output_processor: str | Function
    error_processor: str | Function
    transforms: Mapping[str, str | Function]
    worker: str | Worker
    settings: Mapping[str, Any]
    environment: bool
    watcher: Watcher
    progress: Progress | bool
    stopping: Callable[[], bool]


@attrs.frozen
class Prepared:
    """
    A workspace's settings and code, ready for a pass.

    Attributes:
        root: Its real path, which holds wherever user code makes the current folder be.
        settings: Every setting.
        plugged: What users have plugged in.
    """

    root: str
    settings: Settings
    plugged: Plugged


def prepare(
    workspace: str,
    flags: Mapping[str, Any],
    given: Given = NOTHING_GIVEN,
    environment: Mapping[str, str] | None = None,
    *,
    mode: Mode = Mode.RUN,
) -> Prepared:
    """
    Put settings together, hold them to what the user trusts, and load the code that they name.

    Args:
        workspace: Its path.
        flags: Values of this call, by `section.key`; None means not given.
        given: Code of this call.
        environment: The environment variables that count; None for neither them nor the user's own file.
        mode: What they are wanted for.

    Raises:
        ConfigError: The settings cannot be obeyed, or name code without trust; or somebody else owns it.
        UsageError: There is no workspace.
    """
    named = "" if environment is None else environment.get("RECONCILER_USER_CONFIG")
    require_own(workspace, named)
    root = find(workspace).root
    ours = {key: value for key, value in (environment or {}).items() if key.startswith("RECONCILER_")}
    mine = own_file(workspace)
    settings = settle(settings_files(workspace, named), ours, flags, mine)
    if mode is not Mode.LOOK:
        refuse_unknown(settings)
    pinned = require(settings, mine, user_file(named).rpartition("/")[0]) if mode is not Mode.LOOK else {}
    plugs = Plugs(settings, mine, given, pinned=pinned, mode=mode, environment=os.environ)
    return Prepared(root, settings, plugs.plugged)


def merged(first: Choices, then: Choices) -> Choices:
    """Choices of a call over those of its workspace."""
    if "on_result" in then or "output_processor" in then:
        first = _without(first, ("on_result", "output_processor"))
    return {**first, **then}


def _without(choices: Choices, keys: Sequence[str]) -> Choices:
    """Choices but for some."""
    kept: Any = {key: value for key, value in choices.items() if key not in keys}
    found: Choices = kept
    return found


def prepared(path: str, choices: Choices, mode: Mode = Mode.RUN) -> Prepared:
    """Settings and code of one call."""
    unknown = sorted(set(choices) - Choices.__annotations__.keys())
    if unknown:
        known = ", ".join(sorted(Choices.__annotations__))
        raise UsageError(f"unknown: {', '.join(unknown)}", hint=f"known: {known}")
    flags = dict(_mapping("settings", choices.get("settings", {}), '{"policy.max_attempts": 1}'))
    if not callable(choices.get("stopping", callable)):
        raise UsageError(f"stopping: {choices['stopping']!r:.80} is no function")
    flags |= {"provider.name": choices.get("provider"), "output.content": choices.get("content")}
    output = _function(flags, "output.processor", choices.get("output_processor"))
    on_result = choices.get("on_result")
    if on_result is not None:
        if "output_processor" in choices:
            raise UsageError("on_result is an output processor too; give one of the two")
        output = _wrapped("on_result", on_result)
        if output.per is not Per.RECORD:
            raise UsageError("on_result takes one result", hint="output_processor= takes (batch, context)")
    worker = _function(flags, "local.worker", choices.get("worker"), whole=False)
    error = _function(flags, "output.error_processor", choices.get("error_processor"))
    given = Given(output, error, worker, _transforms(flags, choices))
    environment = os.environ if choices.get("environment", True) else None
    return prepare(path, flags, given, environment, mode=mode)


def path_of(what: str, path: object) -> str:
    """
    A path that was given, as text.

    Raises:
        UsageError: It is none.
    """
    found = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(found, str):
        raise UsageError(f"{what} takes a path, a text or a Path, not {path!r:.80}")
    return found


def names_of(what: str, names: object) -> tuple[str, ...]:
    """
    Names or patterns that were given, one by one.

    Raises:
        UsageError: It is one text, of which each letter would be a name; or something in it is none.
    """
    if isinstance(names, str):
        message = f"{what} takes a list of names, not {names!r:.80}"
        raise UsageError(message, hint=f"{what}=[{names!r:.80}]")
    if not isinstance(names, Collection):
        raise UsageError(f"{what} takes a list of names, not {names!r:.80}")
    for name in names:
        if not isinstance(name, str):
            hint = f"each by itself, as in *{name!r:.80}" if isinstance(name, Collection) else ""
            raise UsageError(f"{what} takes names, which are text, not {name!r:.80}", hint=hint)
    return tuple(cast("Collection[str]", names))


def refuse_timeout(timeout: object, *, wait: bool = True) -> None:
    """
    Hold a timeout to being one.

    Raises:
        UsageError: It is no number of seconds, or nobody waits.
    """
    if timeout is None:
        return
    if not wait:
        raise UsageError("a timeout goes with wait=True")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout != timeout:  # noqa: PLR0124 - NaN
        raise UsageError(f"timeout takes a number of seconds, not {timeout!r:.80}", hint="timeout=3600")


def _mapping(what: str, given: object, hint: str) -> Mapping[str, Any]:
    """Hold what was given to being a mapping whose keys are text."""
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in cast("Any", given)):
        raise UsageError(f"{what} takes a mapping by name, not {given!r:.80}", hint=f"{what}={hint}")
    return cast("Mapping[str, Any]", given)


def asking(choices: Choices, provider: str) -> tuple[Choices, Mode]:
    """What a call chooses that has to know what *provider* takes: code of a user has to run to say so."""
    if provider in ("", *PROVIDERS):
        return choices, Mode.LOOK
    return {**choices, "provider": provider}, Mode.RUN


def _function(
    flags: dict[str, Any], setting: str, choice: str | Function | None, *, whole: bool = True
) -> Any:
    """A function that was given; a name goes to the flags instead."""
    if choice is None or isinstance(choice, str):
        if choice is not None:
            flags[setting] = choice
        return None
    if not callable(choice):
        raise UsageError(f"{choice!r:.80} is neither a name nor a function")
    return _wrapped(setting, choice) if whole else choice


def _transforms(flags: dict[str, Any], choices: Choices) -> dict[ErrorClass, Transform]:
    """Transforms that were given, by error class; names go to the flags instead."""
    found: dict[ErrorClass, Transform] = {}
    given = _mapping("transforms", choices.get("transforms", {}), '{"over-length": halve}')
    for each in sorted(parse_classes(given) or ()):
        function = _function(flags, f"{CLASSES}.{each}", given[each], whole=False)
        if function is None:
            continue
        if each in UNCHANGEABLE:
            raise UsageError(f"nothing of class {each} has failed, so no transform can look at it")
        try:
            found[each] = transform(function)
        except TypeError as error:
            raise UsageError(f"transforms: {each}: {error}") from error
    return found


def _wrapped(what: str, function: Function) -> Processor:
    """A function as a processor."""
    try:
        return wrap(function)
    except TypeError as error:
        raise UsageError(f"{what}: {error}") from error


def options_of(ready: Prepared, choices: Choices, only: Sequence[str]) -> Options:
    """What a pass takes."""
    return Options(
        only=tuple(only),
        watcher=choices.get("watcher", Unwatched()),
        progress=progress_of(choices),
        stopping=choices.get("stopping", lambda: False),
        plugged=ready.plugged,
    )


def progress_of(choices: Choices) -> Progress:
    """
    Who is told about long reading.

    Raises:
        UsageError: A display is wanted where there is no run to display.
    """
    chosen = choices.get("progress", False)
    if chosen is True:
        raise UsageError("progress=True is of runs", hint="Batch.run(progress=True)")
    return Silent() if chosen is False else chosen
