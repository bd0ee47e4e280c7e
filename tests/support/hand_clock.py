"""A clock that only pauses move."""

from __future__ import annotations


class HandClock:
    """Time in seconds, which goes on with every pause."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
