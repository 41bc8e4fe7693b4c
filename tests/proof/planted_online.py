"""Faults at a provider: of creates, of what is in doubt, and of calls."""

from __future__ import annotations

from typing import Final

from tests.proof.planted import Planted

DOUBT: Final = ("tests/test_in_doubt.py", "tests/test_online.py", "tests/test_online_doubts.py")

_APPEND: Final = (
    '    ledger.append(ctx.fx, "batch.submitted", record.name, '
    "batch_id=made.batch_id, intent=record.intent)\n"
)

ONLINE: Final = (
    Planted(
        "a batch that shows neither answers nor counts is sent again",
        "planner/limiting.py",
        "said == here > 0\n",
        "said == here\n",
        ("tests/test_online_ended.py", "-k", "neither_counts"),
    ),
    Planted(
        "what was answered before an early end is sent again where its file is named late",
        "planner/in_flight.py",
        "    ended = phase in (Phase.DONE, Phase.PARTIAL)\n",
        "    ended = phase is Phase.DONE\n",
        ("tests/test_online_ended.py", "-k", "named_after"),
    ),
    Planted(
        "that a batch is not known any more counts as a look at how it ended",
        "planner/in_flight.py",
        "record.online.heard_out(Odd.NO_FILE)\n",
        "record.online.looks >= 3\n",
        ("tests/test_online_doubts.py", "-k", "gone_after_its_end"),
    ),
    Planted(
        "what was heard of a batch while it ran counts as a look at how it ended",
        "executor/submitted.py",
        "        looks=record.online.looks if again else 0,\n",
        "        looks=record.online.looks,\n",
        ("tests/test_online_ended.py", "-k", "odd_before"),
        (
            (
                "executor/submitted.py",
                "        odd=record.online.odd if again else None,\n",
                "        odd=record.online.odd,\n",
            ),
            (
                "model/record.py",
                "odd=odd, looks=1, not_before",
                "odd=odd, looks=self.looks + 1, not_before",
            ),
        ),
    ),
    Planted(
        "an upload that is gone is waited for for ever",
        "executor/submitting.py",
        "    record = attrs.evolve(record, input_file_id=None, online=Online())\n",
        "",
        ("tests/test_online.py", "-k", "upload_that_is_gone"),
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
        "    if online != record.online:\n",
        "    if True:\n",
        ("tests/test_online_doubts.py", "-k", "gone"),
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
        "    if record.state in (Submission.CREATING, Submission.SUBMITTED):\n        return plan_in_doubt",
        "    if record.state in (Submission.SUBMITTED,):\n        return plan_in_doubt",
        ("tests/planner/test_waiting.py", *DOUBT),
    ),
    Planted(
        "a create in doubt is sent again before its grace has passed",
        "planner/in_flight.py",
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
        "    last = False\n    while True:",
        "    last = True\n    while True:",
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
        "money is reserved after the create",
        "executor/submitting.py",
        '    charging.reserve(ctx, step.name, quoting.quote, record.intent or "")\n',
        "",
        ("tests/test_spending.py", "-k", "before_anything_leaves or used_takes_the_place"),
        also=(
            (
                "executor/submitting.py",
                "    return _create(run, remote, record, source, shape.model)\n",
                (
                    "    made = _create(run, remote, record, source, shape.model)\n"
                    '    charging.reserve(ctx, step.name, quoting.quote, record.intent or "")\n'
                    "    return made\n"
                ),
            ),
        ),
    ),
    Planted(
        "what was reserved is forgotten by the next pass",
        "workspace/spending.py",
        "        settled = event == SETTLED\n",
        "        settled = event == SETTLED\n        nano = nano if settled else 0\n",
        ("tests/test_spending.py", "-k", "waits_and_the_rest or corrected_makes_room"),
    ),
    Planted(
        "a create in doubt gives back what was reserved",
        "executor/submitting.py",
        '        told = f"no reply to the create ({error.message}); looking for the batch"\n',
        (
            "        charging.release(ctx, record.name, record.intent)\n"
            '        told = f"no reply to the create ({error.message}); looking for the batch"\n'
        ),
        ("tests/test_spending_counted.py", "-k", "in_doubt"),
    ),
    Planted(
        "a limit counts what was spent and not what is reserved",
        "executor/charging.py",
        "    left = cap.nano - spending.without(key)\n",
        "    left = cap.nano - spending.spent\n",
        ("tests/test_spending.py", "tests/test_spending_counted.py", "-k", "makes_room or in_doubt"),
    ),
    Planted(
        "what is refused by the limit was uploaded before",
        "executor/submitting.py",
        "    charging.refuse(ctx, step.name, quoting.quote, record.intent if uncreated else None)\n",
        "",
        ("tests/test_spending.py", "-k", "waits_and_the_rest"),
        also=(
            (
                "executor/submitting.py",
                (
                    '    charging.reserve(ctx, step.name, quoting.quote, record.intent or "")\n'
                    "    source = _source(ctx, fact)\n"
                    "    if remote.takes_file:\n"
                    "        record = _upload(run, remote, record, source)\n"
                ),
                (
                    "    source = _source(ctx, fact)\n"
                    "    if remote.takes_file:\n"
                    "        record = _upload(run, remote, record, source)\n"
                    '    charging.reserve(ctx, step.name, quoting.quote, record.intent or "")\n'
                ),
            ),
        ),
    ),
    Planted(
        "a sum is corrected by less than was used",
        "executor/used.py",
        "            tokens[name] = tokens.get(name, Tokens()) + found\n",
        "            found = Tokens(found.input)\n"
        "            tokens[name] = tokens.get(name, Tokens()) + found\n",
        ("tests/test_spending.py", "-k", "used_takes_the_place"),
    ),
)
