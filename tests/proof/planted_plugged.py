"""Faults in what stands between the engine and a provider of a user."""

from __future__ import annotations

from typing import Final

from tests.proof.planted import Planted

_ONLINE: Final = ("tests/test_plugged_online.py",)
_ERRING: Final = ("tests/test_plugged_online_create.py",)
_GUARD: Final = ("tests/providers/test_guarded.py",)
_CREATE: Final = ("tests/providers/test_guarded_create.py",)
_NAMED: Final = ("tests/cli/test_own_provider.py",)

PLUGGED: Final = (
    Planted(
        "any error of ours that a plugged create raises says that nothing was made",
        "providers/guarded.py",
        "        if isinstance(ours, _NOTHING_MADE) and not once.may_have_made and not once.passed(error):\n",
        "        if ours is not None:\n",
        (*_ERRING, "-k", "that_was_made"),
    ),
    Planted(
        "a refusal is believed after the batch was made",
        "providers/guarded.py",
        " and not once.may_have_made and",
        " and",
        (*_ERRING, "-k", "that_was_made"),
    ),
    Planted(
        "an unknown error of a plugged create ends the pass",
        "providers/guarded.py",
        "            raise self._of_create(error, once, wire) from error\n",
        "            raise\n",
        (*_ERRING, "-k", "that_was_made"),
    ),
    Planted(
        "a plugged create may call as often as it likes",
        "providers/passing.py",
        "        if self.began:\n",
        "        if self.first is self:\n",
        (*_ERRING, "-k", "sent_once"),
    ),
    Planted(
        "a plugged create is sent as what it says it is",
        "providers/passing.py",
        "attrs.evolve(call, kind=Kind.CREATE)",
        "call",
        (*_ERRING, "-k", "sent_once"),
    ),
    Planted(
        "a batch of another intent is taken for the one that was asked for",
        "providers/guarded.py",
        "        if batch.intent not in (None, order.intent):\n",
        "        if batch.intent == batch.batch_id:\n",
        (*_CREATE, "-k", "anothers_batch"),
    ),
    Planted(
        "a full disk is the provider's to swallow",
        "providers/guarded.py",
        "            if taking is None or taking.raised is None:\n                return found\n",
        "            return found\n",
        (*_GUARD, "-k", "full_disk"),
    ),
    Planted(
        "the account of a plugged provider is written down as it was told",
        "providers/plugged.py",
        '        _account(name, said["account"]),\n',
        '        said["account"],\n',
        (*_ONLINE, "-k", "no_key"),
    ),
    Planted(
        "a key in what a provider raises is told",
        "providers/plugged.py",
        '            told = told.replace(value, "***")\n',
        "            pass\n",
        (*_ONLINE, "-k", "without_the_key"),
    ),
    Planted(
        "a plan imports the provider",
        "plugins.py",
        "            if self._mode is Mode.RUN:\n                from reconciler.loading import load",
        "            if True:\n                from reconciler.loading import load",
        (*_NAMED, "-k", "looking_imports_nothing"),
    ),
    Planted(
        "a batch that a list names twice is one too many",
        "executor/finding.py",
        "    proven = list({each.batch_id: each for each in proven}.values())\n",
        "",
        ("tests/test_candidates.py", "-k", "overlap"),
    ),
)
