"""
From the names in settings to the code that they name.

Whether a workspace may name code at all has been seen to before (`trust.py`). Code is loaded when a pass
begins, so that a name that leads nowhere stops it before anything is done.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import attrs

from reconciler.config import SETTINGS, Settings
from reconciler.config.extraction import KEYS
from reconciler.config.table import CLASSES, THIS_CALL, WORDS
from reconciler.errors import ConfigError
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.extracting import wanted
from reconciler.model.content import Content
from reconciler.model.extraction import Think
from reconciler.model.outcome import ErrorClass
from reconciler.model.policy import ECHO, NO_PROVIDER, Typed
from reconciler.model.words import pasted
from reconciler.processors.base import OutputProcessor, Per, Processor, home_of, wrap
from reconciler.processors.transform import Transform, transform
from reconciler.providers.base import Worker, see_worker
from reconciler.reaching import Make, Named, Reach
from reconciler.workspace.code import digest_of, refer, short_name, whole_name

if TYPE_CHECKING:
    from reconciler.prompting import Answering
    from reconciler.providers.local import Local

_BUILT_IN: Final = {setting.name: setting.known for setting in SETTINGS if setting.known}
"""The settings that may name code, and the words for which they name none."""

HTTP: Final = "http"
"""The built-in worker that asks live endpoints."""

_ABSENT: Final = "?"
"""The version of code that is not there, or not to be read."""

_FLAGS: Final = {
    "provider.name": ("provider", "--provider"),
    "output.processor": ("output", "--output-processor"),
    "output.content": ("output", "--content"),
    "output.error_processor": ("errors", "--error-processor"),
    "local.worker": ("worker", "--worker"),
    "budget.max_cost_usd": ("budget", "--max-cost-usd"),
}
"""The flags of a command that hooks depend on, and what each is for, by its setting."""

_OF_HOOKS: Final = (
    "output.content",
    *KEYS,
    *(setting.name for setting in SETTINGS if setting.section in ("provider", "local") and not setting.known),
)
"""The other settings that hooks depend on."""


@attrs.frozen
class Given:
    """
    Code that the caller hands over itself; it outranks every setting.

    Attributes:
        output: An output processor.
        error: An error processor.
        worker: What the embedded provider runs.
        transforms: What changes failed requests before they are sent again, by error class.
    """

    output: Processor | None = None
    error: Processor | None = None
    worker: Worker | None = None
    transforms: Mapping[ErrorClass, Transform] = attrs.field(factory=dict)


NOTHING_GIVEN: Final = Given()


class Mode(enum.Enum):
    """What settings and code are wanted for."""

    RUN = "run"
    """A pass: code is trusted and imported."""
    PLAN = "plan"
    """What the next pass would do: code is trusted and not imported."""
    LOOK = "look"
    """Where things stand: neither, so that it can be asked whatever is wrong with the code."""


class Plugs:
    """
    The hooks of every batch, code loaded once.

    Args:
        settings: Every setting, its trust seen to.
        own_file: The workspace's settings file.
        given: Code that the caller hands over itself.
        pinned: What code that the workspace's own file names has to hold, by `setting = name`.
        mode: What it is for. Only a pass imports user code; everybody else knows it by name and digest.
        environment: Where keys of providers are looked for.

    Raises:
        ConfigError: A setting names code that is not there, cannot be imported, or is no function.
    """

    def __init__(  # noqa: PLR0913 - what hooks hang on, and no more
        self,
        settings: Settings,
        own_file: str,
        given: Given = NOTHING_GIVEN,
        *,
        pinned: Mapping[str, str] | None = None,
        mode: Mode = Mode.RUN,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = environment or {}
        self._settings = settings
        self._own_file = own_file
        self._given = given
        self._pinned = pinned or {}
        self._mode = mode
        self._loaded: dict[tuple[str, str, str], tuple[Callable[..., Any], str]] = {}
        self._hooks: dict[tuple[Any, ...], Hooks] = {}
        # A name that leads nowhere has to stop the pass before it begins.
        for own in (settings, *settings.by_table()):
            self._hooks_for(own)

    @property
    def plugged(self) -> Plugged:
        """What a pass takes."""
        return Plugged(self.hooks_of)

    def hooks_of(self, name: str) -> Hooks:
        """The hooks of the batch *name*."""
        return self._hooks_for(self._settings.of_batch(name))

    # Within

    def _hooks_for(self, own: Settings) -> Hooks:
        """The hooks that *own* asks for, made once."""
        values = tuple(own[setting] for setting in (*_BUILT_IN, *_OF_HOOKS))
        key = (*values, *(own.origins[setting] for setting in (*_BUILT_IN, *_FLAGS, *KEYS)))
        if key not in self._hooks:
            self._hooks[key] = self._make(own)
        return self._hooks[key]

    def _make(self, own: Settings) -> Hooks:
        """The hooks that *own* asks for."""
        output: OutputProcessor = self._given.output or own["output.processor"]
        if isinstance(output, str) and output not in _BUILT_IN["output.processor"]:
            output = self._processor("output.processor", own)
        error = self._given.error
        if error is None and own["output.error_processor"] not in _BUILT_IN["output.error_processor"]:
            error = self._processor("output.error_processor", own)
        reach = Reach(own, self._settings, self._environment, self._local(own), self._providers)
        extraction, chosen = (None, False) if self._mode is Mode.LOOK else wanted(own, self._own_file)
        content = Content(own["output.content"])
        given = self._given.worker
        worker = self._named(own) if given is None else name_of(given)
        return Hooks(
            output,
            content,
            error,
            self._transforms(own),
            reach.providers,
            reach.keyless,
            extraction,
            chosen,
            Think(own["results.think"]),
            "" if own["provider.name"] == NO_PROVIDER else _whole("provider.name", own),
            self._typed(own),
            worker,
            given is not None or _is_chosen(own),
        )

    def _typed(self, own: Settings) -> Typed:
        """What this call was given for a batch, as a person types it."""
        given = self._given
        handed_over = (given.output, given.error, given.worker)
        typed = Typed(whole=not given.transforms and all(each is None for each in handed_over))
        for setting, (what, flag) in _FLAGS.items():
            if own.origins[setting] == THIS_CALL:
                before = f"{typed.flags[what]} " if what in typed.flags else ""
                typed = typed.adding(what, f"{before}{flag} {pasted(_whole(setting, own))}")
        for each in ErrorClass:
            setting, variable = f"{CLASSES}.{each}", f"RECONCILER_POLICY_CLASSES_{each.name}"
            if own.origins[setting] in (THIS_CALL, variable):
                typed = typed.before_it(f"{variable}={pasted(_whole(setting, own))}")
        return typed

    def _transforms(self, own: Settings) -> dict[ErrorClass, Transform]:
        """What changes the failed requests of a class, by name or handed over."""
        found: dict[ErrorClass, Transform] = {}
        for each in ErrorClass:
            setting = f"{CLASSES}.{each}"
            if each in self._given.transforms:
                found[each] = self._given.transforms[each]
            elif own[setting] not in WORDS:
                function, version = self._load(setting, own)
                try:
                    code = transform(function, short_name(own[setting]))
                except TypeError as error:
                    raise ConfigError(f"{setting} names {own[setting]}: {error}") from error
                named = whole_name(own[setting], _folder_of(setting, own))
                found[each] = attrs.evolve(code, version=version, named=named)
        return found

    def _local(self, own: Settings) -> Callable[[], Local]:
        """Makes the embedded provider; a name that leads nowhere is told at once."""
        return partial(_embedded, own, *self._worker(own))

    def _worker(self, own: Settings) -> tuple[Worker | None, Callable[[], Awaitable[None]] | None]:
        """Who answers here, None for the echo, and how they let go."""
        given, named = self._given.worker, own["local.worker"]
        if given is not None:
            if _is_ours(given):
                return given, given.let_go
            return _seen("worker", given), None
        if named == HTTP:
            from reconciler.providers.http_worker import HttpWorker  # noqa: PLC0415 - most passes ask nobody

            service, base_url, model = (own[f"local.{key}"] for key in ("service", "base_url", "model"))
            worker = HttpWorker(self._environment, service, base_url, model, own["local.concurrency"])
            return worker, worker.close
        if named in _BUILT_IN["local.worker"]:
            return None, None
        function = self._load("local.worker", own)[0]
        return _seen(f"local.worker names {named}", function) if self._mode is Mode.RUN else function, None

    @staticmethod
    def _named(own: Settings) -> str:
        """The worker of the settings, as it can be typed anywhere."""
        return whole_name(own["local.worker"], _folder_of("local.worker", own))

    @cached_property
    def _providers(self) -> Mapping[str, Make]:
        """What makes the providers of users that settings name; what only metadata names is never loaded."""
        found: dict[str, Make] = {}
        versions: dict[str, str] = {}
        for own in (self._settings, *self._settings.by_table()):
            name = own["provider.name"]
            if name in _BUILT_IN["provider.name"]:
                continue
            function, version = self._load("provider.name", own)
            if versions.setdefault(name, version) != version:
                hint = "write the whole path of the file in both places"
                raise ConfigError(f"provider.name is {name!r:.200}, which means two files here", hint=hint)
            if self._mode is Mode.RUN:
                from reconciler.providers.plugged import plug  # noqa: PLC0415 - most passes load no user code

                found[name] = partial(plug, name, function)
            elif version != _ABSENT:
                found[name] = lambda _options, _environment, name=name: Named(name)  # type: ignore[misc]
        return found

    def _processor(self, setting: str, own: Settings) -> Processor:
        """A processor by name."""
        function, version = self._load(setting, own)
        short, named = short_name(own[setting]), whole_name(own[setting], _folder_of(setting, own))
        if self._mode is not Mode.RUN:
            return Processor(short, version, Per.RECORD, function, named)
        try:
            return attrs.evolve(wrap(function, short), version=version, named=named)
        except TypeError as error:
            raise ConfigError(f"{setting} names {own[setting]}: {error}") from error

    def _load(self, setting: str, own: Settings) -> tuple[Callable[..., Any], str]:
        """The function that a setting names, and the version of its code."""
        origin, folder = own.origins[setting], _folder_of(setting, own)
        key = (setting, own[setting], folder)
        if key not in self._loaded:
            try:
                reference = refer(setting, own[setting], folder)
                digest = digest_of(reference)
            except ConfigError:
                if self._mode is not Mode.LOOK:
                    raise
                return _never_called, _ABSENT
            pinned = (
                self._pinned.get(f"{setting} = {own[setting]}", digest)
                if origin == self._own_file
                else digest
            )
            if pinned != digest:
                raise ConfigError(
                    f"{reference.path} has changed since {self._own_file} was trusted to name it"
                )
            function: Callable[..., Any] = _never_called
            if self._mode is Mode.RUN:
                from reconciler.loading import load  # noqa: PLC0415 - most passes load no user code

                function = load(reference, setting)
            self._loaded[key] = (function, digest[:12])
        return self._loaded[key]


def _whole(setting: str, own: Settings) -> str:
    """What a setting says, code as it can be typed anywhere."""
    return whole_name(str(own[setting]), _folder_of(setting, own))


def _folder_of(setting: str, own: Settings) -> str:
    """Where a relative path begins that a setting names: in a file, where that file lies."""
    origin = own.origins[setting]
    return origin.rpartition("/")[0] if origin.startswith("/") else "."


def name_of(worker: Worker) -> str:
    """By what name metadata knows a worker that was handed over: `module.function()`, or whom it wraps."""
    return worker.named if _is_ours(worker) else f"{'.'.join(home_of(worker))}()"


def _seen(what: str, worker: Worker) -> Worker:
    """A worker that can be called with a request; any other would fail each of them."""
    try:
        see_worker(worker)
    except TypeError as error:
        raise ConfigError(f"{what}: {error}") from error
    return worker


def _is_ours(worker: Worker) -> TypeGuard[Answering]:
    """Whether it is what a call over prompts hands over; a user's own may have any attribute."""
    from reconciler.prompting import Answering  # noqa: PLC0415 - where a program hands over a worker alone

    return isinstance(worker, Answering)


def _is_chosen(own: Settings) -> bool:
    """Whether the user chose the worker: one that sends nothing has to be named in the very call."""
    return own["local.worker"] != ECHO or own.origins["local.worker"] == THIS_CALL


def _never_called(*_arguments: object) -> None:
    """Stands for code that is not run."""
    raise RuntimeError("user code was called in a pass that only looks")


def _embedded(own: Settings, worker: Worker | None, close: Callable[[], Awaitable[None]] | None) -> Local:
    """The embedded provider, as fast as the settings allow."""
    from reconciler.providers.echo import echo  # noqa: PLC0415 - a pass over nothing answers nothing
    from reconciler.providers.local import Local  # noqa: PLC0415 - likewise
    from reconciler.providers.pacing import Pace  # noqa: PLC0415 - likewise

    pace = Pace(**{key: own[f"local.{key}"] for key in attrs.fields_dict(Pace)})
    return Local(worker or echo, own["local.concurrency"], pace, close)
