"""Import the code that a setting names; nothing else of the product imports user code."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

from reconciler.errors import ConfigError
from reconciler.workspace.code import Reference, read_code, search_path


def load(reference: Reference, setting: str) -> Callable[..., Any]:
    """
    Import the code that *reference* names.

    Raises:
        ConfigError: It cannot be imported, or there is no such function in it.
    """
    source, digest = read_code(reference.path)
    try:
        if reference.module:
            module = _imported(reference.module)
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


def _imported(name: str) -> Any:
    """An installed module; the current folder is not searched, whatever the interpreter was started with."""
    before = sys.path[:]
    sys.path[:] = search_path()
    try:
        return importlib.import_module(name)
    finally:
        sys.path[:] = before


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
    # With its location, so that the code finds by `__file__` what lies beside it.
    spec = importlib.util.spec_from_file_location(name, path, loader=_Source(path, source))
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
