"""pSConv's fused form: the numbers and counts of the executed one, from one compiled kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from convolutions import Convolution, convolutions
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cache import kernel_cache
from method_checks import counts, tiny
from torch import nn

from bench.methods import METHODS, Context
from bench.methods.parts import fused_taps
from bench.methods.parts.tap_conv import TapConv2d
from bench.methods.psconv import parse, support_table
from bench.worker.live_tensors import live_peak

__all__ = ["kernel_cache"]


def layer_of(conv: nn.Conv2d, variant: str) -> TapConv2d:
    return TapConv2d(conv, support_table(parse(variant)), fused=True).eval()


def both(layer: TapConv2d, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        found = layer(x)
        assert layer.executed_order == "fused"
        layer.fused = False
        expected = layer(x)
        layer.fused = True
    return found, expected


@settings(max_examples=10, deadline=None)
@given(
    variant=st.sampled_from(["PS4_P4", "PS2_P6", "PSD1_P16", "PSD4_P2", "pSC9"]),
    one=convolutions([(down, across) for down in range(3) for across in range(3)]),
    wide=st.booleans(),
)
def test_fused_equals_unfolded(variant: str, one: Convolution, wide: bool) -> None:
    dtype, close = (torch.float64, 1e-12) if wide else (torch.float32, 1e-5)
    torch.manual_seed(0)
    found, expected = both(layer_of(one.layer(dtype), variant), one.image(dtype))
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= close * expected.abs().max().clamp_min(1)


def test_the_method_s_fused_form_counts_as_the_executed_one() -> None:
    forms: dict[str, Any] = {}
    for form in ("executed", "fused"):
        knobs = {"variant": "PSD1_P5", "form": form}
        forms[form] = METHODS.get("psconv").rewrite(tiny(), Context(input=(3, 8, 8)), knobs)
    fused, executed = (forms[form].network for form in ("fused", "executed"))
    one, other = counts(fused), counts(executed)
    assert replace(one, other_elements=other.other_elements) == other
    assert one.other_elements < other.other_elements
    assert list(fused.state_dict()) == list(executed.state_dict())
    x = torch.randn(3, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), executed(x), rtol=1e-5, atol=1e-6)


def test_its_live_tensors_are_input_and_output() -> None:
    layer = layer_of(nn.Conv2d(16, 16, 3, 1, 1, bias=False), "PSD1_P16")
    x = torch.randn(1, 16, 16, 16)
    both(layer, x)
    assert live_peak(lambda: layer(x)) == 16 * 16 * 16 * 4


def test_gradients_go_through_the_unfolded_form() -> None:
    layer = layer_of(nn.Conv2d(8, 8, 3, 1, 1), "PS4_P4")
    layer(torch.randn(1, 8, 6, 6)).sum().backward()
    assert layer.get_parameter("weight0").grad is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"padding_mode": "circular"}, "unfolded: no kernel for padding mode circular"),
        ({"dtype": torch.bfloat16}, "unfolded: no kernel in bfloat16"),
    ],
)
def test_what_it_cannot_do_is_said(options: Any, words: str) -> None:
    layer = layer_of(nn.Conv2d(8, 8, 3, 1, 1, **options), "PS4_P4")
    with torch.no_grad():
        layer(torch.randn(1, 8, 6, 6, dtype=options.get("dtype")))
    assert layer.executed_order == words


def test_bug_a_compiled_graph_ran_unfolded_while_the_record_said_fused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The graph has the kernel, and where there is none when it runs, what torch can do."""
    layer = layer_of(nn.Conv2d(9, 20, 3, (2, 1), 1), "PS4_P4")
    x = torch.randn(2, 9, 9, 8)
    called: list[str] = []
    in_torch = fused_taps.by_class

    def by_class(*args: Any) -> torch.Tensor:
        called.append("by class")
        return in_torch(*args)

    monkeypatch.setattr(fused_taps, "by_class", by_class)
    with torch.no_grad():
        expected = layer(x)
        graph = torch.compile(layer, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(graph(x), expected)
        assert called == []
        monkeypatch.setattr(fused_taps, "obstacle", lambda *_: "none here")
        layer.get_parameter("weight0").mul_(1)
        torch.testing.assert_close(graph(x), expected)
    assert called == ["by class"]
