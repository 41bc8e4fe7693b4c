"""
Who answers: clients of remote providers, and the embedded one that runs a function here.

A provider touches no files: the executor hands it requests and takes what comes back.
See docs/architecture.md, floor 3.

What stands here by name is public: a provider of one's own is written with it (docs/own-provider.md). It is
loaded when it is first used.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reconciler.errors import (
        CallRefused,
        ConfigError,
        KeyRefused,
        Later,
        NotThere,
        PermanentError,
        TransientError,
        Uncertain,
        Unreachable,
    )
    from reconciler.model.exchange import Dialect
    from reconciler.model.identity import Role
    from reconciler.model.record import Counts, Refusal
    from reconciler.model.remote import Limits, Order, RemoteBatch, RemoteFile
    from reconciler.providers.base import Remote
    from reconciler.providers.calls import Call, Form, Kind, Origin, Reply, Secret, Sink, Source, Wire
    from reconciler.providers.keys import (
        Key,
        KeyMissing,
        ProviderOptions,
        account_of,
        base_url,
        find_key,
        proof,
    )
    from reconciler.providers.own import BatchProvider, Factory

_HOMES = {
    "errors": (
        "CallRefused ConfigError KeyRefused Later NotThere PermanentError"
        " TransientError Uncertain Unreachable"
    ),
    "model.exchange": "Dialect",
    "model.identity": "Role",
    "model.record": "Counts Refusal",
    "model.remote": "Limits Order RemoteBatch RemoteFile",
    "providers.base": "Remote",
    "providers.calls": "Call Form Kind Origin Reply Secret Sink Source Wire",
    "providers.keys": "Key KeyMissing ProviderOptions account_of base_url find_key proof",
    "providers.own": "BatchProvider Factory",
}

__all__ = [
    "BatchProvider",
    "Call",
    "CallRefused",
    "ConfigError",
    "Counts",
    "Dialect",
    "Factory",
    "Form",
    "Key",
    "KeyMissing",
    "KeyRefused",
    "Kind",
    "Later",
    "Limits",
    "NotThere",
    "Order",
    "Origin",
    "PermanentError",
    "ProviderOptions",
    "Refusal",
    "Remote",
    "RemoteBatch",
    "RemoteFile",
    "Reply",
    "Role",
    "Secret",
    "Sink",
    "Source",
    "TransientError",
    "Uncertain",
    "Unreachable",
    "Wire",
    "account_of",
    "base_url",
    "find_key",
    "proof",
]


def __getattr__(name: str) -> object:
    """Load a public name from where it lives."""
    for home, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(f"reconciler.{home}"), name)
    raise AttributeError(f"module 'reconciler.providers' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return __all__
