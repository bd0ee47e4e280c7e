"""How long each part of a trial took, and which one is running."""

from __future__ import annotations

import time
from collections.abc import Callable


class Stages:
    """Seconds that each stage of a trial took, by name, and which one is running."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._since = clock()
        self.current = "start"
        self.seconds: dict[str, float] = {}

    def enter(self, name: str) -> None:
        """Ends the running stage and begins the next."""
        now = self._clock()
        self.seconds[self.current] = self.seconds.get(self.current, 0.0) + now - self._since
        self.current, self._since = name, now

    def pause(self) -> None:
        """Ends the running stage; what passes until ``resume`` belongs to none."""
        self.enter("start")

    def resume(self) -> None:
        """Ends the pause."""
        self._since = self._clock()
