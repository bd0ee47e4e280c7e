"""The account of a compression: layer by layer, in words, what a method changed and what it left."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Replaced:
    """One layer that the method changed, in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Left:
    """One convolution that the method left as it was, and why."""

    name: str
    reason: str
