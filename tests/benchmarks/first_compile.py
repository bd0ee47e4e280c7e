"""How long fused kernels take to be there: the first time on a host, and every time after that.

    python tests/benchmarks/first_compile.py

Each line is three fresh processes that build a network and call it once: with an empty folder for compiled
kernels, with that folder as the first has left it, and in the batched order, which compiles nothing. The
seconds are those of building and of the first call, without the import of torch. docs/performance.md names
what is wanted: 20 s for the first, and 0.05 s for what a later start takes more than the batched order.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
NETWORKS = ("resnet56", "resnet110", "densenet40_k12", "mobilenet_v2", "vgg16_bn", "resnet50")
BUILD = """
import sys, time
import torch
torch.set_num_threads(1)
from bench.case import Case, MethodCall
from bench.network import backbone_network, compress, example_images
from bench.methods import METHODS
METHODS.get("csr_conv")
case = Case(sys.argv[1], (MethodCall("csr_conv", {"T": 4, "order": sys.argv[2]}),))
dense = backbone_network(case)
with torch.inference_mode(False):
    since = time.perf_counter()
    network = compress(dense, case, (None,)).network
    built = time.perf_counter()
x = example_images(case, 1)
with torch.inference_mode():
    network(x)
print(built - since, time.perf_counter() - built)
"""


def seconds(network: str, order: str, cache: Path) -> tuple[float, float]:
    """Of building a network and of its first call, in a fresh process. Raises CalledProcessError."""
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(cache),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", BUILD, network, order],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    building, first = map(float, done.stdout.split())
    return building, first


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    asked = parser.parse_args()
    print("| network | first start | later starts | batched | a later start more than batched |")
    print("|---|---|---|---|---|")
    for network in asked.networks:
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder)
            first = sum(seconds(network, "fused", cache))
            later = min(sum(seconds(network, "fused", cache)) for _ in range(3))
            batched = min(sum(seconds(network, "batched", cache)) for _ in range(3))
        print(
            f"| {network} | {first:.1f} s | {later:.2f} s | {batched:.2f} s | {later - batched:+.3f} s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
