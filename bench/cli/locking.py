"""The host's lock as the verbs take it: whoever waits for it is shown that, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from bench.cli.screen import run_progress

if TYPE_CHECKING:
    from bench.run.lock import HostLock


@contextmanager
def host_lock(no_wait: bool) -> Iterator[HostLock]:
    """Holds the lock. While another run has it, the bar says so, or a line every half minute.

    Raises InputError when another run has it and ``no_wait`` is True.
    """
    from bench.run.lock import HostLock

    with ExitStack() as stack:
        with run_progress() as progress:
            lock = stack.enter_context(HostLock(not no_wait, progress.waiting))
        yield lock
