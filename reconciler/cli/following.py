"""`--wait` on a terminal: where the batches that are waited for stand, redrawn in place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.config import Settings
    from reconciler.session import Options


@contextmanager
def followed(workspace: str, settings: Settings, options: Options, *, shown: bool) -> Iterator[Options]:
    """
    Options under which a display shows how far the live batches of a workspace are, if stderr is a terminal.

    What a run on this machine says of itself is in the display, and has no line of its own then.
    """
    import attrs

    from reconciler.authoring.following import Display, Follower
    from reconciler.authoring.reading import Asking, families
    from reconciler.errors import ReconcilerError
    from reconciler.model.snapshot import Place
    from reconciler.screen import Screen

    screen = Screen(sys.stderr)
    names: list[str] = []
    if shown and screen.redraws:
        try:
            found = families(Asking(workspace, settings, options.only))
        except ReconcilerError:
            # The pass says it.
            found = {}
        names = [name for name, family in found.items() if any(each.place is Place.LIVE for each in family)]
    if not names:
        yield options
        return
    with Follower(Asking(workspace, settings, names), [Display(screen)]) as follower:
        yield attrs.evolve(options, progress=follower)
