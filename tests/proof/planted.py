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
EFFECTS: Final = ("tests/workspace/test_effects.py",)
DOUBT: Final = ("tests/test_in_doubt.py", "tests/test_online.py", "tests/test_online_doubts.py")

RUNNER: Final = ("tests/proof/test_runner.py", "-k", "lives or effects or room")
AGAIN: Final = ("tests/providers/test_many_again.py",)

_APPEND: Final = (
    '    ledger.append(ctx.fx, "batch.submitted", record.name, '
    "batch_id=made.batch_id, intent=record.intent)\n"
)

PLANTED: Final = (
    Planted(
        "no fsync of a file before it gets its name",
        "workspace/effects.py",
        "                self._sync([opened])\n                check_size(opened, size, path)",
        "                check_size(opened, size, path)",
        POWER,
    ),
    Planted(
        "no fsync of folders",
        "workspace/folders.py",
        "            self._sync([at])",
        "            pass",
        POWER,
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
        EFFECTS,
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
        ("tests/workspace/test_effects.py", "tests/proof/test_power.py", "-k", "short or cut_of"),
    ),
    Planted(
        "the size on disk is believed",
        "workspace/writing.py",
        "    if found != size:",
        "    if found > size:",
        EFFECTS,
    ),
    Planted(
        "a torn line of history swallows the next",
        "workspace/effects.py",
        "torn = size > 0 and not self._ends_with_newline(path)",
        "torn = False",
        ("tests/workspace/test_effects.py", "tests/workspace/test_ledger.py"),
    ),
    Planted(
        "a file whose write failed stays",
        "workspace/effects.py",
        "            # A failed fsync may have dropped pages: this file must never get its final name.\n"
        "            with contextlib.suppress(OSError):\n                self.discard(path)\n",
        "",
        EFFECTS,
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
        EFFECTS,
    ),
    Planted(
        "nobody holds the lock",
        "workspace/locking.py",
        "        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "        pass",
        ("tests/test_engine.py", "-k", "lock or race or Reconciler or one"),
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
        "a copy is sent beside an input whose submission was cut off",
        "executor/submitting.py",
        "record.state in _BEFORE_CREATE:",
        "record.state is None:",
        ("tests/test_in_doubt.py", "-k", "sent_first"),
    ),
    Planted(
        "a batch that its provider has lost is written down anew in every pass",
        "executor/online.py",
        "    if tries <= PATIENCE:\n",
        "    if True:\n",
        ("tests/test_online_doubts.py", "-k", "gone"),
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
        "the create is sent before it is written down",
        "executor/submitting.py",
        "            state=Submission.CREATING,\n            sent_at=ctx.fx.now(),",
        "            state=record.state,\n            sent_at=ctx.fx.now(),",
        ("tests/test_crash_online.py", "-k", "openai"),
    ),
    Planted(
        "history learns of a batch after metadata",
        "executor/submitting.py",
        _APPEND + "    submitted(run, record, made)",
        "    submitted(run, record, made)\n" + _APPEND,
        ("tests/test_crash_online.py", "-k", "openai"),
    ),
    Planted(
        "history does not learn of a create",
        "executor/submitting.py",
        '    ledger.append_once(ctx.fx, ctx.history, "batch.creating", record.name, '
        "intent=record.intent, **facts)\n",
        "",
        ("tests/test_crash_online.py", "-k", "openai"),
    ),
    Planted(
        "a create is repeated like any other call",
        "providers/http.py",
        "        if call.kind is Kind.CREATE:\n            return raised(once(1))\n",
        "",
        ("tests/providers/test_http_faults.py", "tests/providers/test_http.py", "-k", "create"),
        also=(
            (
                "providers/retrying.py",
                "    if kind is Kind.CREATE:\n        if trouble.sent:",
                '    if kind is Kind.CREATE and kind.value == "":\n        if trouble.sent:',
            ),
            (
                "providers/retrying.py",
                (
                    "    if kind is Kind.CREATE and said.status not in PROVES_REFUSAL:\n"
                    "        return Fault(_uncertain(said.words))\n"
                ),
                "",
            ),
            (
                "providers/retrying.py",
                "    again = kind is not Kind.CREATE and _may_mend(kind, said, headers)",
                "    again = _may_mend(kind, said, headers)",
            ),
        ),
    ),
    Planted(
        "a create that is refused for now is repeated at once",
        "providers/http.py",
        "        if call.kind is Kind.CREATE:\n            return raised(once(1))\n",
        "",
        ("tests/providers/test_http_faults.py", "tests/providers/test_http.py", "-k", "create"),
        also=(
            (
                "providers/retrying.py",
                "    again = kind is not Kind.CREATE and _may_mend(kind, said, headers)",
                "    again = _may_mend(kind, said, headers)",
            ),
        ),
    ),
    Planted(
        "a create that met a failing server is taken for not sent",
        "providers/retrying.py",
        "    if kind is Kind.CREATE and said.status not in PROVES_REFUSAL:",
        "    if kind is Kind.CREATE and said.status in ():",
        ("tests/providers/test_http_faults.py", "tests/providers/test_contract.py", "-k", "create"),
    ),
    Planted(
        "a create that was cut is taken for not sent",
        "providers/retrying.py",
        "        if trouble.sent:\n            return Fault(_uncertain(trouble.words))\n",
        "",
        ("tests/providers/test_http_faults.py", "tests/providers/test_contract.py", "-k", "create"),
    ),
    Planted(
        "a create goes out on a connection that was kept",
        "providers/http.py",
        "        client = self._client(fresh=call.kind is Kind.CREATE)",
        "        client = self._client(fresh=False)",
        ("tests/providers/test_http.py",),
    ),
    Planted(
        "a create in doubt is sent again without a search",
        "planner/waiting.py",
        "    if record.state in (Submission.CREATING, Submission.SUBMITTED):\n        return _in_doubt",
        "    if record.state in (Submission.SUBMITTED,):\n        return _in_doubt",
        ("tests/planner/test_waiting.py", *DOUBT),
    ),
    Planted(
        "a create in doubt is sent again before its grace has passed",
        "planner/waiting.py",
        "    if snap.seen_at < until:\n        next_look",
        "    if snap.seen_at < sent_at:\n        next_look",
        ("tests/planner/test_waiting.py", *DOUBT),
    ),
    Planted(
        "the file of an earlier create is left as it is",
        "executor/fencing.py",
        "            remote.delete_file(wire, record.input_file_id)",
        "            pass",
        DOUBT,
    ),
    Planted(
        "one look is enough before a second create",
        "executor/fencing.py",
        "    for last in (False, True):",
        "    for last in (True,):",
        DOUBT,
    ),
    Planted(
        "doubles of an intent go on running",
        "executor/finding.py",
        "        _cancel_all(run, remote, record, extra)\n",
        "",
        ("tests/test_candidates.py", "-k", "one_too_many"),
    ),
    Planted(
        "somebody else's batch is adopted",
        "executor/finding.py",
        "        return each.intent == record.intent",
        "        return True",
        ("tests/proof/test_simulation.py", "-k", "its_own"),
    ),
    Planted(
        "answers that are gone are asked again",
        "planner/waiting.py",
        "    if _were_answered(record) and not can_fetch:",
        "    if _were_answered(record) and can_fetch:",
        ("tests/test_money.py", "-k", "gone"),
    ),
    Planted(
        "requests are sent more often than max_attempts",
        "planner/person.py",
        "    if attempt >= policy.max_attempts:",
        "    if attempt > policy.max_attempts:",
        ("tests/planner/test_person.py", "tests/test_decide.py"),
    ),
    Planted(
        "a commit of progress is not synced",
        "workspace/live.py",
        "PRAGMA synchronous = FULL",
        "PRAGMA synchronous = OFF",
        ("tests/workspace/test_live.py",),
    ),
    Planted(
        "progress that was removed may come back",
        "workspace/live.py",
        "    if there:\n        fx.sync_folder(FOLDER)\n",
        "",
        ("tests/workspace/test_live.py",),
    ),
    Planted(
        "an end counts before it is on disk",
        "providers/many.py",
        "                await self._handed_over(ends)\n            except BaseException",
        "                asyncio.ensure_future(self._handed_over(ends))\n            except BaseException",
        (*AGAIN, "-k", "stands_still or kept"),
    ),
    Planted(
        "a lane does not wait until its end is kept",
        "providers/many.py",
        "        await following\n\n    async def _keep",
        "\n    async def _keep",
        AGAIN,
    ),
    Planted(
        "Retry-After holds back nobody else",
        "providers/many.py",
        "                self._gate.hold(now + end.after)",
        "                pass",
        RUNNER,
    ),
    Planted(
        "repeated sends obey no rate",
        "providers/many.py",
        "        while await self._turn(tokens):",
        "        while sends > self.rules.sends(number) or await self._turn(tokens):",
        AGAIN,
    ),
    Planted(
        "a send that hangs is waited for",
        "providers/many.py",
        "asyncio.timeout(self.provider.pace.request_seconds or None)",
        "asyncio.timeout(None)",
        RUNNER,
    ),
    Planted(
        "a run goes on when its time is up",
        "providers/many.py",
        "now >= until):",
        "now >= until + 1e9):",
        AGAIN,
    ),
    Planted(
        "what was under way counts as done",
        "executor/answering.py",
        "            if line.number not in finished:",
        "            if line.number not in finished and line.number not in sent:",
        RUNNER,
    ),
    Planted(
        "attempts are not carried over a restart",
        "executor/answering.py",
        "sends=lambda number: sent.get(number, before)",
        "sends=lambda _number: before",
        ("tests/test_local.py", "-k", "sends"),
    ),
    Planted(
        "sends of a run that is stopped are forgotten",
        "executor/answering.py",
        "        progress.keep_missed()",
        "        pass",
        ("tests/test_local.py", "-k", "sends"),
    ),
    Planted(
        "progress goes before the answers are published",
        "executor/answering.py",
        "        counts = _publish(run, record, progress)\n",
        "        live.remove(ctx.fx, step.name)\n        counts = _publish(run, record, progress)\n",
        RUNNER,
    ),
    Planted(
        "nobody looks whether there is room for answers",
        "executor/answering.py",
        "    progress.reserve()\n",
        "",
        ("tests/proof/test_runner.py", "-k", "really_full or room"),
    ),
    Planted(
        "a second end takes the place of the first",
        "workspace/live.py",
        "INSERT OR IGNORE INTO ended",
        "INSERT OR REPLACE INTO ended",
        ("tests/workspace/test_live.py",),
    ),
    Planted(
        "a key in a reply stays there",
        "providers/calls.py",
        '            body = body.replace(word.encode(), b"***")',
        "            body = bytes(body)",
        ("tests/providers", "tests/test_canary.py", "-k", "secret or canary or key"),
    ),
    Planted(
        "redirects are followed",
        "providers/http.py",
        "auth=Proof(call.origin), follow_redirects=False)",
        "auth=Proof(call.origin), follow_redirects=True)",
        ("tests/providers/test_http_secrets.py", "-k", "redirect"),
    ),
    Planted(
        "a workspace of somebody else is worked in",
        "choices.py",
        "    require_own(workspace, named)\n",
        "",
        ("tests/test_owner.py",),
    ),
)
