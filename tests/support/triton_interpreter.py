"""Triton's interpreter in a process of its own, since Triton reads TRITON_INTERPRET when it is imported.

A line of JSON in: a layer, and how it is called. A line out: what it said it did, and how far its answer lies
from that of the batched order.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

Answer = dict[str, Any]


class Interpreter:
    """The process; to be closed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TRITON_INTERPRET": "1"},
        )

    def __call__(self, **asked: Any) -> Answer:
        """See ``answer``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, "the interpreter's process ended"
        found: Answer = json.loads(line)
        return found

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def answer(
    layer: dict[str, Any],
    dtype: str,
    tile: tuple[int, int] | None = None,
    channels_last: bool = False,
    then: str = "",
) -> Answer:
    """``order``: the words; ``far``: from the batched order of the same numbers, for halves in float64.

    ``tile``: its size, where the plan's own is not wanted. ``then``: what happens between a first call and
    the one that is looked at.
    """
    import pytest
    import torch
    from csr_layers import Drawn, far

    from bench.methods.parts import fused_csr, triton_csr
    from bench.methods.parts.fused_tiles import tiled

    shape: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in layer.items()
    }
    one, real = Drawn(**shape), getattr(torch, dtype)
    module, x = one.layer(real), one.input().to(real)
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused_csr, "by_triton", lambda _x: True)
        if tile is not None:
            patch.setattr(triton_csr, "tile", lambda plan, *_: tiled(plan, *tile))
        if then == "fails":
            patch.setattr(triton_csr, "csr_conv", {})
        found = module(x)
        order = module.executed_order
        if then == "weights change":
            module.u.mul_(2)
            found = module(x)
        if then == "operator":
            found = fused_csr.operator(x, _weights(module), module._geometry())
            order = fused_csr._KNOWN.of(module.u).words
        module.order = "batched"
        wide = torch.float64 if real in (torch.float16, torch.bfloat16) else real
        expected = module.to(wide)(x.to(wide))
    return {"order": order, "far": far(found.to(wide), expected), "contiguous": found.is_contiguous()}


def _weights(module: Any) -> Any:
    from bench.methods.parts.fused_csr import Weights

    return Weights(module.u, module.v, module.alpha, module.beta, module.bias_u, module.bias_v)


def main() -> None:
    """Answers until the other end closes."""
    import torch

    torch.set_num_threads(1)
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
