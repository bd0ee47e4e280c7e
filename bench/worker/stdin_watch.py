"""Ends a worker when its stdin closes: the harness holds it open as long as it lives."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Iterator

from bench.worker.offspring import end_with_offspring

LONGEST_LEAVING = 5.0
"""Seconds that a thread which has ended is waited for until the kernel has let go of it."""


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
        wait_until_gone(f"/proc/self/task/{watching.native_id}")


def wait_until_gone(
    task: str,
    there: Callable[[str], bool] = os.path.exists,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Waits until the kernel has let go of a thread; ``join`` returns some instructions before.

    A fork between the two has a thread in its tables that does not exist: an emulator ends such a fork as
    soon as it starts a thread of its own (qemu 7.2, qemu_plugin_vcpu_init_hook). Where threads are listed by
    nobody there is nothing to wait for.
    """
    deadline = clock() + LONGEST_LEAVING
    while there(task) and clock() < deadline:
        pause(0.001)
