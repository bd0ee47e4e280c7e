"""Weights that were loaded from a file, in words: which they are, and what a method left of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from bench.case import Imported


def weights_words(source: Imported | None) -> str:
    """``best.pt, SHA-256 3fa2…``; empty where the weights are random ones."""
    if source is None or not source.weights:
        return ""
    return f"{PurePath(source.weights).name}, SHA-256 {source.sha256}"


def discarded_words(discarded: Sequence[str], replaced: int) -> str:
    """``of 12 of 19 replaced layers: fresh ones stand there``; empty where none were discarded."""
    if not discarded:
        return ""
    return f"of {len(discarded)} of {replaced} replaced layers: fresh ones, untrained, stand there"
