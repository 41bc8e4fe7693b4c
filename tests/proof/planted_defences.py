"""Faults that take a defence away: against hostile content, in the audit, and in what it repairs."""

from __future__ import annotations

from typing import Final

from tests.proof.planted import Planted

TERMINAL: Final = ("tests/cli/test_terminal.py",)
REPAIR: Final = ("tests/test_repair.py", "tests/test_repair_left.py")
AUDIT: Final = ("tests/test_check_tampered.py", "tests/test_check_history.py", "tests/test_check.py")

UNNAMED: Final = ("tests/cli/test_unnamed.py",)

DEFENCES: Final = (
    Planted(
        "a pass without the flag settles what an output processor has begun",
        "planner/unnamed.py",
        "    if not _is_left_out(identity, policy):",
        "    if policy:",
        UNNAMED,
    ),
    Planted(
        "content alone names a processor",
        "planner/unnamed.py",
        "    return not (is_built_in(identity) and policy.processor_chosen)",
        "    return not policy.processor_chosen",
        UNNAMED,
    ),
    Planted(
        "a pass without the flag decides for an error processor",
        "planner/unnamed.py",
        "    if not identity or policy.error_processor is not None or policy.error_named:",
        "    if policy:",
        UNNAMED,
    ),
    Planted(
        "a pass without a provider gives up what a transform has begun",
        "planner/unnamed.py",
        "    if again_here:",
        "    if coverage:",
        UNNAMED,
    ),
    Planted(
        "code has another token when its path is typed in another way",
        "plugins.py",
        "        short, named = short_name(own[setting]),",
        "        short, named = own[setting],",
        UNNAMED,
    ),
    Planted(
        "process takes away what code that nobody names has made",
        "executor/decisions.py",
        "    callable_here = again - begun.absent.keys()",
        "    callable_here = again",
        UNNAMED,
    ),
    Planted(
        "an id is taken for a file name",
        "processors/files.py",
        "    if _HARMLESS.fullmatch(custom_id) and",
        "    if custom_id and",
        ("tests/processors/test_files.py",),
    ),
    Planted(
        "half a surrogate pair is let through",
        "codec/jsonl.py",
        "        if escape[1]:",
        "        if escape[1] == b'never':",
        ("tests/codec/test_jsonl.py",),
    ),
    Planted(
        "repair may look at a text for ever",
        "processors/repair.py",
        "        if left[0] < 0:",
        "        if left[0] is None:",
        ("tests/processors/test_content.py",),
    ),
    Planted(
        "a line may be of any length",
        "codec/jsonl.py",
        "    if not terminated and len(raw) > limit:",
        "    if not terminated and len(raw) < 0:",
        ("tests/codec/test_jsonl.py",),
    ),
    Planted(
        "a reply may unpack to any size",
        "providers/bodies.py",
        "                if given > max(_FREE, ratio * taken):",
        "                if given < 0:",
        ("tests/providers/test_http_bodies.py",),
    ),
    Planted(
        "a copy across devices is not compared",
        "workspace/relocate.py",
        " or (not linked and fx.digest(target) != file.digest):",
        ":",
        ("tests/workspace/test_relocate.py",),
    ),
    Planted(
        "redirects of live endpoints are followed",
        "providers/http_live.py",
        "stream=True, auth=Proof(call.origin), follow_redirects=False",
        "stream=True, auth=Proof(call.origin), follow_redirects=True",
        ("tests/test_live_http.py", "-k", "redirect"),
    ),
    Planted(
        "code runs, and keys go, wherever a workspace says",
        "choices.py",
        '    pinned = require(settings, mine, user_file(named).rpartition("/")[0]) '
        "if mode is not Mode.LOOK else {}\n",
        "    pinned: Mapping[str, str] = {}\n",
        ("tests/cli/test_trust.py",),
    ),
    Planted(
        "what others have written speaks to the terminal",
        "cli/console.py",
        '    """*text* with every character that could move a cursor, hide text or end a line shown as an '
        'escape."""\n    if text.isprintable():',
        "    if text:",
        TERMINAL,
    ),
    Planted(
        "data speaks to the terminal",
        "cli/console.py",
        "    if not sys.stdout.isatty():",
        "    if True:",
        TERMINAL,
    ),
    Planted(
        "a planted temporary file is written to",
        "workspace/effects.py",
        "_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW |",
        "_CREATE: Final = os.O_WRONLY | os.O_CREAT |",
        ("tests/workspace/test_publishing.py",),
    ),
    Planted(
        "a cell of a table is a formula",
        "codec/cells.py",
        '    return f"\'{text}" if _FORMULA.match(text) else text',
        "    return text",
        ("tests/test_threats.py", "-k", "formula"),
    ),
    Planted(
        "a carriage return begins a row",
        "codec/cells.py",
        "    return csv.writer(_Rows(out), lineterminator=_END).writerow",
        '    return csv.writer(out, lineterminator="\\n").writerow',
        ("tests/test_threats.py", "-k", "formula"),
    ),
    Planted(
        "the audit believes what was counted",
        "check/verdict.py",
        "        if here != there:",
        "        if here.requests < 0 and here != there:",
        AUDIT,
    ),
    Planted(
        "the audit does not miss a batch in history",
        "check/history.py",
        "and record.batch_id not in told.remote:",
        "and record.batch_id == '':",
        AUDIT,
    ),
    Planted(
        "the audit misses a key that two blocks share",
        "check/secrets.py",
        "            seen = before + block",
        "            seen = block",
        AUDIT,
    ),
    Planted(
        "a repair removes the only copy",
        "check/repairs.py",
        "        if only:\n",
        "        if not only and only:\n",
        REPAIR,
    ),
    Planted(
        "a repair forgets a torn line that a batch in doubt may need",
        "check/repairs.py",
        "    if _in_doubt(view, listing):",
        "    if not torn:",
        REPAIR,
    ),
    Planted(
        "a repair forgets a torn line though files and history disagree",
        "check/repairs.py",
        "    elif any(each.promise in _TELLING for each in verdict.findings) or verdict.untold:",
        "    elif not torn:",
        REPAIR,
    ),
    Planted(
        "a repair publishes other bytes than were there",
        "check/repairs.py",
        "        elif _derived(view, name, manifest) != published[path]:",
        "        elif _derived(view, name, manifest) is None:",
        REPAIR,
    ),
    Planted(
        "a repair removes progress of a batch that is not whole",
        "check/repairs.py",
        "provider == LOCAL and _sound(verdict, folder)",
        "provider == LOCAL",
        REPAIR,
    ),
    Planted(
        "a repair removes a temporary file whose own is not there",
        "check/repairs.py",
        "        if view.look.fact(final) is not None:\n            yield RemoveTemporary",
        "        if final:\n            yield RemoveTemporary",
        REPAIR,
    ),
    Planted(
        "a manifest is made again though it knew more",
        "check/rebuilding.py",
        "    if found is not None and since:",
        "    if found is None and since:",
        REPAIR,
    ),
    Planted(
        "a manifest is made again for other results",
        "check/rebuilding.py",
        "    if there is None or view.look.digest(path) != made:",
        "    if there is None:",
        REPAIR,
    ),
    Planted(
        "a manifest is made again for other answers",
        "check/rebuilding.py",
        " or counted is None or counted != known:",
        " or counted is None:",
        REPAIR,
    ),
    Planted(
        "a manifest is made again against history",
        "check/rebuilding.py",
        "    if any(found.fields.get(part) != requests for part, requests in wanted.items()):",
        "    if not wanted:",
        REPAIR,
    ),
)
