"""Several lanes of work at the same time: within one, a step begins when the step before it has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait


def side_by_side(lanes: Mapping[str, Sequence[Callable[[], None]]], stop: Callable[[], None]) -> None:
    """Takes every step of every lane, and returns when all are taken.

    Where a step raises, or this thread is interrupted, no further step begins: ``stop`` is called, which
    ends what the others wait for, and the first exception is raised again once they have ended.
    """
    over = threading.Event()

    def walk(steps: Sequence[Callable[[], None]]) -> None:
        for step in steps:
            if over.is_set():
                return
            step()

    with ThreadPoolExecutor(max(1, len(lanes)), thread_name_prefix="lane") as pool:
        walking = [pool.submit(walk, steps) for steps in lanes.values()]
        try:
            done, _ = wait(walking, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            over.set()
            stop()
            raise
