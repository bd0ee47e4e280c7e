"""How far the answers of one network lie apart when only rounding differs, beside other networks' answers.

``python tests/benchmarks/answers.py suites/cifar.yaml``: every network of the suite is built and asked in one
process per variant. It says for each variant the largest distance from the plain one, before and after
calibration, with int8 activations apart; and what counting and answering cost.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from bench.case import DTYPES, FLOAT32
from bench.plan.plan import make_plan
from bench.plan.suite import load_suite
from bench.worker.agreement import distance

OLD = {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"}
VARIANTS: dict[str, dict[str, str]] = {
    "plain": {}, "two threads": {}, "batch 8": {}, "channels_last": {}, "no oneDNN": {}, "SSE4.1": OLD,
    "TF32": {}, "bfloat16": {}, "float16": {},
}  # fmt: skip
Found = dict[str, dict[str, Any]]


def ask(suite: str, variant: str) -> Found:
    """Count id -> what the network answers in this process."""
    import torch
    import torch.nn.functional as F

    from bench.counting.count import count
    from bench.models.calibration import calibrate
    from bench.network import calibration_images, context_of, example_images, prepare, refuse_cast
    from bench.worker.answers import answers_of
    from bench.worker.output import every_answer, sample

    torch.set_num_threads(2 if variant == "two threads" else 1)
    torch.backends.mkldnn.enabled = variant != "no oneDNN"  # type: ignore[assignment]
    dtype = getattr(torch, variant) if variant in DTYPES else torch.float32
    layout = torch.channels_last if variant == "channels_last" else torch.contiguous_format
    whole = F.conv2d

    def cut(tensor: Any) -> Any:
        """The ten bits of a mantissa that TF32 keeps."""
        if tensor.dtype != torch.float32:
            return tensor
        return ((tensor.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)

    def coarse(x: Any, w: Any, *more: Any, **named: Any) -> Any:
        return whole(cut(x), cut(w), *more, **named)

    found: Found = {}
    for count_id, case in {case.count_id: case for case in make_plan(load_suite(Path(suite))).cases}.items():
        network = prepare(case)[0].network
        told: dict[str, Any] = {}
        try:
            refuse_cast(network, replace(case, dtype=variant if variant in DTYPES else FLOAT32))
        except ValueError:
            continue
        if variant == "plain":
            since = time.process_time()
            count(network, context_of(case).example_input())
            told["counting"] = time.process_time() - since
            again = prepare(case)[0].network
            since = time.process_time()
            told["spread"] = answers_of(again, case).spread
            told["answering"] = time.process_time() - since
        if variant == "TF32":
            F.conv2d = coarse  # type: ignore[assignment]
        with torch.inference_mode():
            network = network.to(dtype=dtype, memory_format=layout)  # type: ignore[call-overload]
            images = example_images(case, 8 if variant == "batch 8" else 1)
            images = images.to(dtype=dtype, memory_format=layout)
            module, answer = every_answer(network)
            told["before"] = sample(answer(images))
            calibrate(module, calibration_images(case).to(dtype=dtype, memory_format=layout))
            told["after"] = sample(answer(images))
        F.conv2d = whole
        found[count_id] = told
    return found


def apart(one: Any, other: Any, when: str) -> float:
    return distance(tuple(one[when]), tuple(other[when]))


def main() -> None:
    suite = sys.argv[1]
    if len(sys.argv) > 2:
        print(json.dumps(ask(suite, sys.argv[2])))
        return
    found: dict[str, Found] = {}
    for variant, more in VARIANTS.items():
        command = [sys.executable, __file__, suite, variant]
        done = subprocess.run(
            command, env={**os.environ, **more}, stdout=subprocess.PIPE, text=True, check=True
        )
        found[variant] = json.loads(done.stdout.splitlines()[-1])
    plain = found.pop("plain")
    for variant, of in found.items():
        for kind in (False, True):
            ids = [name for name in of if ("int8(scheme=static)" in name) == kind]
            worst = [
                max((apart(of[n], plain[n], when) for n in ids), default=0.0) for when in ("before", "after")
            ]
            spreads = max((apart(of[n], plain[n], "after") / plain[n]["spread"] for n in ids), default=0.0)
            print(
                f"{variant:14s}{'int8' if kind else 'floats':8s}",
                *(f"{w:.1e}" for w in worst),
                f"{spreads:.2f} spreads",
            )
    pairs = [(a, b) for a, b in combinations(plain, 2) if a.split("/")[0] == b.split("/")[0]]
    for when in ("before", "after"):
        nearest = sorted((apart(plain[a], plain[b], when), a, b) for a, b in pairs)[:3]
        print(f"nearest other networks {when} calibration:", *(f"\n  {d:.3f} {a} {b}" for d, a, b in nearest))
    for cost in ("counting", "answering"):
        print(f"{cost}: {sum(told[cost] for told in plain.values()):.1f} s")


if __name__ == "__main__":
    main()
