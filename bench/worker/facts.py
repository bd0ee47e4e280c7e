"""``python -m bench.worker.facts``: what a host is and what can be measured there. Nothing is timed."""

from __future__ import annotations

from typing import Any

from bench.worker.pipe import answer_one
from bench.worker.protocol import Facts, Job, Json

EVERYWHERE = ("parameters", "output", "live peak")


def facts(data: Json) -> Facts:
    """The facts of this host. Raises what torch raises where it is not installed or finds no device."""
    job = Job.from_json(data)
    import torch

    from bench.worker import host
    from bench.worker.energy import counter_for

    if job.device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("no CUDA device is available to torch")
    fingerprint = host.fingerprint(job.device)
    counted = not isinstance(counter_for(job.device), str)
    return Facts(host=fingerprint, measurable=measurable(job.device, fingerprint, counted))


def measurable(device: str, fingerprint: dict[str, Any], energy: bool = False) -> tuple[str, ...]:
    """The figures that a trial can find there; ``energy``: whether a counter of it can be read."""
    if fingerprint.get("emulated"):
        return (*EVERYWHERE, "allocator peak", "instructions")
    found: tuple[str, ...] = (*EVERYWHERE, "latency", "allocator peak")
    if device == "cuda":
        found = (*found, "launch overhead", "reserved peak")
    return (*found, "energy") if energy else found


if __name__ == "__main__":
    answer_one(facts, lambda failure: Facts(error=failure))
