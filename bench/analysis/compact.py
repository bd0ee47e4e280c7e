"""Trials as they come from a file, made small: what others have too is held once, the rest is packed.

A trial of 16 samples takes 1.2 KB so, where its plain objects take 3.7; nothing about it reads otherwise.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from bench.analysis.packed import Numbers, Packing
from bench.analysis.records import Json, Trial
from bench.worker.measurements import Latency, Turn

_SHARED = (
    "run", "case", "note", "memory", "output", "cores", "heap", "denormals", "latency_refused", "cuda_flags",
    "executed_order", "runtime_did", "instructions", "error",
)  # fmt: skip
"""What is often the same as in the trial before of the same case on the same host."""

_shared_of = attrgetter(*_SHARED)

_PACKED = ("conditions_before", "conditions_during", "conditions_after", "stages")

_SAMPLES = ("samples", "host_samples", "queued_samples")


class Compactor:
    """Makes the trials of one file small, one after the other, before anybody else has seen them."""

    def __init__(self) -> None:
        self._hosts: dict[str, Json] = {}
        self._turns: dict[tuple[int, int, int], Turn] = {}
        self._latest: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._packing = Packing()

    def compact(self, trial: Trial) -> Trial:
        """The same trial, equal to what it was."""
        host = "" if trial.host is None else self._host(trial, trial.host)
        self._share(trial, (trial.case, host))
        for name in _PACKED:
            seen = getattr(trial, name)
            if seen is not None:
                _set(trial, name, self._packing.packed(name, seen))
        if trial.latency is not None:
            self._latency(trial.latency)
        return trial

    def _share(self, trial: Trial, key: tuple[str, str]) -> None:
        own = _shared_of(trial)
        for name, mine, theirs in zip(_SHARED, own, self._latest.get(key, own), strict=True):
            if mine is not theirs and mine == theirs:
                _set(trial, name, theirs)
        self._latest[key] = _shared_of(trial)

    def _host(self, trial: Trial, host: Json) -> str:
        """The host's id; the trial gets the fingerprint that others of its host have."""
        known = self._hosts.setdefault(host["id"], host)
        if known is not host and known == host:
            _set(trial, "host", known)
        return str(host["id"])

    def _latency(self, latency: Latency) -> None:
        for name in _SAMPLES:
            if samples := getattr(latency, name):
                _set(latency, name, Numbers(samples))
        if latency.turns:
            shared = [self._turns.setdefault((t.number, t.at, t.count), t) for t in latency.turns]
            _set(latency, "turns", tuple(shared))


_set: Any = object.__setattr__
"""The only change to a frozen record: by an equal value, before it is handed out."""
