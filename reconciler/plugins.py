"""
From the names in settings to the code that they name.

Whether a workspace may name code at all has been seen to before (`trust.py`). Code is loaded when a pass
begins, so that a name that leads nowhere stops it before anything is done.
"""

from __future__ import annotations

import enum
import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from reconciler.config import Settings
from reconciler.errors import ConfigError
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.policy import LOCAL
from reconciler.processors.base import OutputProcessor, Per, Processor, wrap
from reconciler.processors.content import Content
from reconciler.providers.base import Worker
from reconciler.providers.echo import echo
from reconciler.providers.local import Local
from reconciler.workspace.code import Reference, digest_of, read_code, refer

_BUILT_IN: Final = {
    "output.processor": ("results", "files"),
    "output.error_processor": ("summary",),
    "local.worker": ("echo",),
}


@attrs.frozen
class Given:
    """
    Code that the caller hands over itself; it outranks every setting.

    Attributes:
        output: An output processor.
        error: An error processor.
        worker: What the embedded provider runs.
    """

    output: Processor | None = None
    error: Processor | None = None
    worker: Worker | None = None


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

    Raises:
        ConfigError: A setting names code that is not there, cannot be imported, or is no function.
    """

    def __init__(
        self,
        settings: Settings,
        own_file: str,
        given: Given = NOTHING_GIVEN,
        *,
        pinned: Mapping[str, str] | None = None,
        mode: Mode = Mode.RUN,
    ) -> None:
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
        wanted = tuple(own[setting] for setting in (*_BUILT_IN, "output.content", "local.concurrency"))
        key = (*wanted, *(own.origins[setting] for setting in _BUILT_IN))
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
        worker: Worker = self._given.worker or echo
        if self._given.worker is None and own["local.worker"] not in _BUILT_IN["local.worker"]:
            worker = self._load("local.worker", own)[0]
        providers = {LOCAL: Local(worker, own["local.concurrency"])}
        return Hooks(output, Content(own["output.content"]), error, providers)

    def _processor(self, setting: str, own: Settings) -> Processor:
        """A processor by name."""
        function, version = self._load(setting, own)
        if self._mode is not Mode.RUN:
            return Processor(own[setting], version, Per.RECORD, function)
        try:
            return attrs.evolve(wrap(function, own[setting]), version=version)
        except TypeError as error:
            raise ConfigError(f"{setting} names {own[setting]}: {error}") from error

    def _load(self, setting: str, own: Settings) -> tuple[Callable[..., Any], str]:
        """The function that a setting names, and the version of its code."""
        origin = own.origins[setting]
        # A relative path in a file begins where that file lies.
        folder = origin.rpartition("/")[0] if origin.startswith("/") else "."
        key = (setting, own[setting], folder)
        if key not in self._loaded:
            try:
                reference = refer(setting, own[setting], folder)
                digest = digest_of(reference)
            except ConfigError:
                if self._mode is not Mode.LOOK:
                    raise
                return _never_called, "?"
            pinned = (
                self._pinned.get(f"{setting} = {own[setting]}", digest)
                if origin == self._own_file
                else digest
            )
            if pinned != digest:
                raise ConfigError(
                    f"{reference.path} has changed since {self._own_file} was trusted to name it"
                )
            function = load(reference, setting) if self._mode is Mode.RUN else _never_called
            self._loaded[key] = (function, digest[:12])
        return self._loaded[key]


def _never_called(*_arguments: object) -> None:
    """Stands for code that is not run."""
    raise RuntimeError("user code was called in a pass that only looks")


def load(reference: Reference, setting: str) -> Callable[..., Any]:
    """
    Import the code that *reference* names.

    Raises:
        ConfigError: It cannot be imported, or there is no such function in it.
    """
    source, digest = read_code(reference.path)
    try:
        if reference.module:
            module = importlib.import_module(reference.module)
        else:
            module = _module_of(reference.path, source, digest)
    except (Exception, SystemExit) as error:
        told = f"{type(error).__name__}: {str(error)[:300]}"
        raise ConfigError(f"{setting} names {reference.name}, and importing it raised {told}") from error
    if reference.module and getattr(module, "__file__", None) != reference.path:
        told = f"{reference.module} was found at {reference.path} and imported from {module.__file__}"
        raise ConfigError(
            f"{setting} names {reference.name}: {told}", hint="take the current folder off sys.path"
        )
    found: Any = module
    for part in reference.attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        told = f"{reference.path} has no function {reference.attribute}"
        raise ConfigError(f"{setting} names {reference.name}, and {told}")
    function: Callable[..., Any] = found
    return function


class _Source(importlib.abc.SourceLoader):
    """Loads a module from bytes that were read before: those that were looked at are those that run."""

    def __init__(self, path: str, source: bytes) -> None:
        self._path = path
        self._source = source

    def get_filename(self, _name: str) -> str:
        """Where the source stands, for tracebacks."""
        return self._path

    def get_data(self, path: str | bytes) -> bytes:
        """The source; there is no compiled form, and none is written."""
        if path != self._path:
            raise OSError(f"{path!r} is not read")
        return self._source


def _module_of(path: str, source: bytes, digest: str) -> Any:
    """A `.py` file as a module of its own; its folder is not searched for further modules."""
    name = f"_reconciler_user_{digest[:16]}"
    spec = importlib.util.spec_from_loader(name, _Source(path, source), origin=path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and the like look their module up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
