"""Frame after frame, until somebody has seen enough."""

from collections.abc import Callable

from router.terminal.top.frame import Frame, Trouble
from tercet.errors import TercetError

Look = Callable[[], Frame | Trouble]
Show = Callable[[Frame | Trouble], None]


def watch(look: Look, show: Show, pause: Callable[[], None] | None) -> None:
    """Show what is seen; without a `pause` once, else for ever: trouble may pass.

    Raises:
        TercetError: once is all, and there is trouble.
    """
    while True:
        seen = look()
        if pause is None and isinstance(seen, Trouble):
            raise TercetError(seen.why)
        show(seen)
        if pause is None:
            return
        pause()
