"""``python -m bench.worker.facts``: what a host is and what can be measured there. Nothing is timed."""

from __future__ import annotations

from typing import Any

from bench.worker.protocol import Facts, Job, Json, answer_one

EVERYWHERE = ("parameters", "output", "live peak")


def facts(data: Json) -> Facts:
    """The facts of this host. Raises what torch raises where it is not installed or finds no device."""
    job = Job.from_json(data)
    import torch

    from bench.worker import host

    if job.device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("no CUDA device is available to torch")
    fingerprint = host.fingerprint(job.device)
    return Facts(host=fingerprint, measurable=measurable(job.device, fingerprint))


def measurable(device: str, fingerprint: dict[str, Any]) -> tuple[str, ...]:
    """The figures that a trial can find there."""
    if fingerprint.get("emulated"):
        return (*EVERYWHERE, "allocator peak")
    return (*EVERYWHERE, "latency", "allocator peak", *(("reserved peak",) if device == "cuda" else ()))


if __name__ == "__main__":
    answer_one(facts, lambda failure: Facts(error=failure))
