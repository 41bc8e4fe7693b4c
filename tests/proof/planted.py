"""
Faults that are planted in a copy of the package, each a small change that breaks the write protocol.

A fault says which text it replaces, and which tests have to notice. What is replaced has to stand in its file
exactly once, so that this table cannot outlive the code that it speaks of. Where two places guard the same
promise, either of them gone changes nothing: such a fault takes both.
"""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen
class Planted:
    """
    One fault.

    Attributes:
        name: What it breaks.
        file: The module, below `reconciler/`.
        old: What is replaced; stands there once.
        new: By what.
        tests: What has to fail: arguments of pytest.
        also: What else it replaces: module, old text, new text.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    also: tuple[tuple[str, str, str], ...] = ()

    @property
    def edits(self) -> tuple[tuple[str, str, str], ...]:
        """All that it replaces: module, old text, new text."""
        return ((self.file, self.old, self.new), *self.also)


POWER: Final = ("tests/proof/test_power.py", "-k", "cut[ or cut_of or online")
MACHINE: Final = ("tests/proof/test_machine.py", "-k", "test_runs")
PUBLISHING: Final = ("tests/workspace/test_publishing.py",)
APPENDING: Final = ("tests/workspace/test_appending.py",)

PLANTED: Final = (
    Planted(
        "no fsync of a file before it gets its name",
        "workspace/effects.py",
        "                self._sync([opened])\n                check_size(opened, size, path)",
        "                check_size(opened, size, path)",
        POWER,
    ),
    Planted(
        "the name of history is left to whoever has made it",
        "workspace/effects.py",
        "        if sync and (size == 0 or path not in self._lasting):\n",
        "        if sync and size == 0:\n",
        (*APPENDING, "-k", "name_last"),
    ),
    Planted(
        "no fsync of folders",
        "workspace/folders.py",
        "            self._sync([at])",
        "            pass",
        POWER,
    ),
    Planted(
        "what a killed pass has not synced is relied on",
        "session.py",
        "            fx.doubt(_relied_on(layout))\n",
        "",
        ("tests/proof/test_power.py", "-k", "after_a_kill"),
    ),
    Planted(
        "what is in doubt is synced after the change",
        "workspace/folders.py",
        "        if self._unsure:\n",
        "        if len(self._unsure) > 99:\n",
        APPENDING,
    ),
    Planted(
        "files go beside a tombstone that a power cut may take",
        "executor/removing.py",
        '        ctx.fx.sync_folder(path.rpartition("/")[0])\n        ledger',
        "        ledger",
        ("tests/test_retention.py", "-k", "nobody_synced"),
    ),
    Planted(
        "no fsync of history",
        "workspace/effects.py",
        "            if sync:\n                self._sync([opened])",
        "            pass",
        POWER,
    ),
    Planted(
        "no fsync of a download",
        "workspace/effects.py",
        "                self._sync([opened])\n                incoming.check()",
        "                incoming.check()",
        POWER,
    ),
    Planted(
        "no fsync of what users wrote, before it moves to done/",
        "workspace/relocate.py",
        "        fx.sync_files(file.path for file in files.values() if not file.keep)\n",
        "",
        ("tests/proof/test_power.py", "-k", "users"),
    ),
    Planted(
        "a folder gets its name before its names are on disk",
        "workspace/folders.py",
        "        self.sync_folder(source)\n        try:",
        "        try:",
        POWER,
    ),
    Planted(
        "no fsync of done/ before the old names go",
        "workspace/folders.py",
        '        self.sync_folder(target.rpartition("/")[0])\n\n    def unlink',
        "\n    def unlink",
        POWER,
    ),
    Planted(
        "old names go before the folder in done/ is there",
        "workspace/relocate.py",
        "        fx.rename_folder(staging, folder)\n",
        "        [fx.unlink(each.path) for each in files.values() if not each.keep]\n"
        "        fx.rename_folder(staging, folder)\n",
        ("tests/test_crash.py", "-k", "before_a_change and (retry-settled or first-pass or rust)"),
    ),
    Planted(
        "the input goes first when a batch moves",
        "workspace/relocate.py",
        "    for role in _ORDER:",
        "    for role in reversed(_ORDER):",
        ("tests/workspace/test_relocate.py", "tests/test_crash.py", "-k", "relocate or first-pass or rust"),
    ),
    Planted(
        "history is written after the old names are gone",
        "workspace/relocate.py",
        "    written()\n    remove_sources(fx, files, folder)",
        "    remove_sources(fx, files, folder)\n    written()",
        ("tests/test_crash.py", "-k", "before_a_change and (first-pass or rust)"),
    ),
    Planted(
        "other bytes are overwritten",
        "workspace/effects.py",
        "        if replace:\n            self.place(path)",
        "        if True:\n            self.place(path)",
        PUBLISHING,
    ),
    Planted(
        "metadata is written in place",
        "workspace/effects.py",
        "        digest = self.stage(path, chunks)\n        if replace:\n            self.place(path)",
        "        if replace:\n            self.discard(path)\n            return self._write(path, chunks)\n"
        "        digest = self.stage(path, chunks)\n        if replace:\n            self.place(path)",
        ("tests/test_crash.py", "-k", "before_a_change and (retry-settled or first-pass)"),
    ),
    Planted(
        "a short write is taken for a whole one",
        "workspace/writing.py",
        "    view = memoryview(data)\n    while view:\n        view = view[os.write(opened, view) :]",
        "    os.write(opened, data)",
        (*PUBLISHING, *APPENDING, "tests/proof/test_power.py", "-k", "short or cut_of"),
    ),
    Planted(
        "the size on disk is believed",
        "workspace/writing.py",
        "    if found != size:",
        "    if found > size:",
        PUBLISHING,
    ),
    Planted(
        "a torn line of history swallows the next",
        "workspace/effects.py",
        "torn = size > 0 and not self._ends_with_newline(path)",
        "torn = False",
        (*APPENDING, "tests/workspace/test_ledger.py"),
    ),
    Planted(
        "a file whose write failed stays",
        "workspace/effects.py",
        "            # A failed fsync may have dropped pages: this file must never get its final name.\n"
        "            with contextlib.suppress(OSError):\n                self.discard(path)\n",
        "",
        PUBLISHING,
    ),
    Planted(
        "links are followed when a file is read",
        "workspace/reading.py",
        "_READ: Final = os.O_RDONLY | os.O_NOFOLLOW |",
        "_READ: Final = os.O_RDONLY |",
        ("tests/workspace/test_reading.py",),
    ),
    Planted(
        "links are followed when a folder is opened",
        "workspace/reading.py",
        "_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW |",
        "_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY |",
        ("tests/workspace/test_reading.py",),
    ),
    Planted(
        "files that everybody may read",
        "workspace/effects.py",
        '"create", path)\n            opened = os.open(leaf, _CREATE, 0o600, dir_fd=at)',
        '"create", path)\n            opened = os.open(leaf, _CREATE, 0o644, dir_fd=at)',
        PUBLISHING,
    ),
    Planted(
        "nobody holds the lock",
        "workspace/locking.py",
        "        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "        pass",
        ("tests/test_one_at_a_time.py",),
    ),
    Planted(
        "empty metadata is no metadata",
        "workspace/metadata.py",
        '        raise BadMetadata(f"{path} is empty, which is not the same as no metadata")',
        "        return Record(name)",
        ("tests/workspace/test_metadata.py", "tests/test_check.py"),
    ),
    Planted(
        "metadata of a newer version is read",
        "workspace/metadata.py",
        "    if schema > SCHEMA:",
        "    if schema > SCHEMA + 99:",
        ("tests/workspace/test_metadata.py",),
    ),
    Planted(
        "keys of a later version are dropped",
        "workspace/metadata.py",
        "found: dict[str, Any] = dict(record.extra)",
        "found: dict[str, Any] = {}",
        MACHINE,
    ),
    Planted(
        "a file that users have changed is taken for the one that was sent",
        "planner/safety.py",
        "    drift = _drift(snap)\n",
        "    drift = None\n",
        MACHINE,
    ),
    Planted(
        "the vanished live folder is taken for an empty one",
        "workspace/layout.py",
        "    if WORKDIR.encode() in was:",
        "    if WORKDIR.encode() in was[:0]:",
        ("tests/workspace/test_layout.py",),
    ),
    Planted(
        "requests are sent more often than max_attempts",
        "planner/person.py",
        "    if attempt >= policy.max_attempts:",
        "    if attempt > policy.max_attempts:",
        ("tests/planner/test_person.py", "tests/test_decide.py"),
    ),
    Planted(
        "a workspace of somebody else is worked in",
        "choices.py",
        "    require_own(workspace, named)\n",
        "",
        ("tests/test_owner.py",),
    ),
    Planted(
        "the live folder is not held",
        "session.py",
        "            fx.lock_folder(layout.live),\n",
        "",
        ("tests/proof/test_races.py", "-k", "live_folder"),
    ),
    Planted(
        "a retry child forgets what its author asks of answers",
        "executor/leftovers.py",
        "        asks=record.held_to,\n",
        "",
        ("tests/authoring/test_batch.py", "-k", "asked_again"),
    ),
)
