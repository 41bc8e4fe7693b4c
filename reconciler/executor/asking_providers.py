"""The handlers of operations that ask a provider, loaded with the first of them."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from reconciler.executor.context import Run
from reconciler.executor.downloading import download
from reconciler.executor.finding import adopt, find_orphan
from reconciler.executor.online import cancel, check_online
from reconciler.executor.submitting import submit
from reconciler.model.operation import Adopt, Cancel, CheckOnline, Download, FindOrphan, Submit
from reconciler.model.receipt import Receipt

Asking: TypeAlias = Submit | FindOrphan | Adopt | CheckOnline | Download | Cancel


def ask(step: Asking, run: Run) -> Receipt:
    """Carry out one of them."""
    match step:
        case Submit():
            return submit(step, run)
        case FindOrphan():
            return find_orphan(step, run)
        case Adopt():
            return adopt(step, run)
        case CheckOnline():
            return check_online(step, run)
        case Download():
            return download(step, run)
        case Cancel():
            return cancel(step, run)
        case _:
            assert_never(step)
