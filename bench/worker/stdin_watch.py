"""Ends a worker when its stdin closes: the harness holds it open as long as it lives."""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Iterator

from bench.worker.offspring import end_with_offspring


def end_with_stdin() -> None:
    """Ends this process and what it started when stdin closes: the harness has died, or the connection to it.

    The thread sleeps in one call for the process's whole life, so it takes no time from what is measured.
    """

    poller = select.poll()
    poller.register(0, 0)  # no events: hanging up is told all the same, and nothing is read

    def watch() -> None:
        while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll()):
            pass
        end_with_offspring()

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def ending_with_stdin() -> Iterator[None]:
    """``end_with_stdin`` while the context lasts. After it no thread is left, so that it is safe to fork."""
    poller = select.poll()
    poller.register(0, 0)
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll(100)):
                end_with_offspring()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
