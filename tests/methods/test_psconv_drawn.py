"""pSConv where every kernel draws its own taps: executed and fused forms equal the masked one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cache import kernel_cache
from method_checks import tiny
from torch import Tensor, nn

from bench.counting.count import count
from bench.counting.protocols import SaysOrder
from bench.methods import METHODS, Context
from bench.methods.parts import c_kernel, fused_drawn
from bench.methods.parts.c_kernel import Processor
from bench.methods.parts.drawn_conv import DrawnConv2d, patterns
from bench.methods.parts.masking import masked
from bench.methods.psconv import parse, supports
from bench.models import BACKBONES
from bench.plan.knobs import check_call
from bench.worker.live_tensors import live_peak

__all__ = ["kernel_cache"]

PROCESSORS = [Processor(64, 32, "wide"), Processor(32, 16, "middle"), Processor(16, 32, "narrow")]


def mask_of(conv: nn.Conv2d, variant: str = "pSC4") -> Tensor:
    generator = torch.Generator().manual_seed(conv.in_channels)
    return supports(parse(variant), conv.out_channels, conv.in_channels, generator)


def layer_of(conv: nn.Conv2d, variant: str = "pSC4") -> DrawnConv2d:
    return DrawnConv2d(conv, mask_of(conv, variant), fused=True).eval()


def far(found: Tensor, expected: Tensor) -> float:
    """The largest difference as a share of the largest value, or of 1."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1))


def three(conv: nn.Conv2d, variant: str, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the fused, the executed and the masked form answer."""
    mask, layer = mask_of(conv, variant), layer_of(conv, variant)
    with torch.no_grad():
        fused = layer(x)
        assert layer.executed_order == "fused"
        layer.fused = False
        return fused, layer(x), masked(copy.deepcopy(conv), mask)(x)


@settings(max_examples=12, deadline=None)
@given(
    variant=st.sampled_from(["pSC4", "pSC4", "pSC2", "pSC1"]),
    channels=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.tuples(st.integers(5, 18), st.integers(5, 18)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    bias=st.booleans(),
    wide=st.booleans(),
    processor=st.sampled_from(PROCESSORS),
)
def test_fused_and_executed_equal_masked(
    variant: str,
    channels: tuple[int, int],
    size: tuple[int, int],
    stride: Any,
    padding: Any,
    dilation: Any,
    bias: bool,
    wide: bool,
    processor: Processor,
) -> None:
    """Whatever the processor: vectors that it has not are made of those that it has."""
    dtype, close = (torch.float64, 1e-12) if wide else (torch.float32, 1e-5)
    torch.manual_seed(0)
    conv = nn.Conv2d(*channels, 3, stride, padding, dilation, bias=bias, dtype=dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.methods.parts.fused_drawn.processor", lambda: processor)
        fused, executed, expected = three(conv, variant, torch.randn(2, channels[0], *size, dtype=dtype))
    assert far(fused, expected) <= close
    assert far(executed, expected) <= close


@pytest.mark.parametrize(
    ("ci", "co", "side", "stride"),
    [(16, 16, 32, 1), (24, 72, 8, 1), (64, 64, 8, 1), (48, 64, 16, 2), (130, 70, 4, 1), (64, 128, 2, 1),
     (32, 48, 1, 1)],
)  # fmt: skip
def test_shapes_of_networks(ci: int, co: int, side: int, stride: int) -> None:
    """Planes for columns alone and for every tap, sums that stand in the output and that do not."""
    torch.manual_seed(0)
    conv = nn.Conv2d(ci, co, 3, stride, 1, bias=False)
    fused, executed, expected = three(conv, "pSC4", torch.randn(1, ci, side, side))
    assert far(fused, expected) <= 1e-5
    assert far(executed, expected) <= 1e-5


@pytest.mark.parametrize("side", [5, 16])
def test_several_threads_make_the_same_numbers(side: int) -> None:
    conv = nn.Conv2d(20, 37, 3, 1, 1)
    layer, x = layer_of(conv), torch.randn(3, 20, side, side)
    before = torch.get_num_threads()
    with torch.no_grad():
        alone = layer(x)
        try:
            torch.set_num_threads(2 if before == 1 else 1)
            other = layer(x)
        finally:
            torch.set_num_threads(before)
    assert layer.executed_order == "fused"
    assert torch.equal(alone, other)


@pytest.mark.parametrize("form", ["executed", "fused"])
@pytest.mark.parametrize("variant", ["pSC4", "pSC1"])
def test_counts_are_the_closed_form_and_witnesses_agree(variant: str, form: str) -> None:
    """3→8 stays dense; 8→8 on 8×8 and 8→16 on 4×4 keep n of 9 taps."""
    rewritten = METHODS.get("psconv").rewrite(
        tiny(), Context(input=(3, 8, 8)), {"variant": variant, "form": form}
    )
    counts = count(rewritten.network, torch.randn(1, 3, 8, 8))
    n = parse(variant).taps
    assert counts.disagreements == ()
    assert counts.params == counts.logical_params == 3 * 8 * 9 + 8 * 8 * n + 8 * 16 * n + 16 * 12 + 12 * 5 + 5
    macs = 3 * 8 * 9 * 64 + 8 * 8 * n * 64 + 8 * 16 * n * 16 + 16 * 12 * 16 + 12 * 5
    assert counts.macs == counts.executed_macs == macs
    assert counts.weight_bytes == 4 * counts.params + 8 * 8 + 8 * 16  # a byte for each kernel's support


def test_without_a_kernel_the_counts_are_those_of_the_executed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for form in ("executed", "fused"):
        monkeypatch.setattr(fused_drawn, "obstacle", lambda *_: "none here")
        network = METHODS.get("psconv").rewrite(
            tiny(), Context(input=(3, 8, 8)), {"variant": "pSC2", "form": form}
        )
        found.append(count(network.network, torch.randn(1, 3, 8, 8)))
    assert found[1].disagreements == ()
    assert found[0] == found[1]


def test_whole_networks_are_equal() -> None:
    found = []
    for form in ("masked", "executed", "fused"):
        network = BACKBONES.get("resnet20").network()
        knobs = {"variant": "pSC4", "form": form}
        found.append(METHODS.get("psconv").rewrite(network, Context(), knobs).network.eval())
    x = Context().example_input(2)
    with torch.no_grad():
        expected, executed, fused = (network(x) for network in found)
    assert far(executed, expected) <= 1e-5
    assert far(fused, expected) <= 1e-5
    layers = [m for m in found[2].modules() if isinstance(m, SaysOrder)]
    assert len(layers) == 18
    assert {layer.executed_order for layer in layers} == {"fused"}
    assert list(found[1].state_dict()) == list(found[2].state_dict())


def test_its_live_tensors_are_input_and_output() -> None:
    layer = layer_of(nn.Conv2d(16, 16, 3, 1, 1, bias=False))
    x = torch.randn(1, 16, 16, 16)
    with torch.no_grad():
        layer(x)
        assert live_peak(lambda: layer(x)) == 16 * 16 * 16 * 4


def test_gradients_go_through_the_executed_form() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 8, 3, 1, 1)
    layer, twin = layer_of(conv), masked(copy.deepcopy(conv), mask_of(conv))
    x = torch.randn(2, 6, 7, 7)
    layer(x).square().sum().backward()
    twin(x).square().sum().backward()
    assert layer.weight.grad is not None
    assert twin.weight.grad is not None
    places = layer.table[layer.pattern.long()]
    torch.testing.assert_close(layer.weight.grad, twin.weight.grad.flatten(2).gather(2, places))


def test_new_weights_are_packed_again() -> None:
    conv = nn.Conv2d(5, 6, 3, 1, 1)
    layer, x = layer_of(conv), torch.randn(1, 5, 6, 6)
    with torch.no_grad():
        layer(x)
        layer.weight.mul_(2)
        found = layer(x)
        layer.fused = False
        torch.testing.assert_close(found, layer(x))


def test_a_state_brings_its_supports() -> None:
    conv = nn.Conv2d(5, 6, 3, 1, 1)
    layer, x = layer_of(conv), torch.randn(1, 5, 6, 6)
    other = DrawnConv2d(conv, mask_of(conv).flip(0), fused=True).eval()
    with torch.no_grad():
        expected = layer(x)
        other(x)
        other.load_state_dict(layer.state_dict())
        assert torch.equal(other(x), expected)


@pytest.mark.parametrize("form", ["executed", "fused"])
def test_copies_and_exported_graphs(form: str) -> None:
    conv = nn.Conv2d(5, 6, 3, 2, 1)
    layer = DrawnConv2d(conv, mask_of(conv), fused=form == "fused").eval()
    x = torch.randn(2, 5, 9, 9)
    with torch.no_grad():
        expected = layer(x)
        assert torch.equal(copy.deepcopy(layer)(x), expected)
        torch.testing.assert_close(torch.export.export(layer, (x,)).module()(x), expected)
        torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), expected)


def test_a_compiled_graph_has_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where there is none when it runs, what torch can do."""
    conv = nn.Conv2d(5, 6, 3, 2, 1)
    layer, x = layer_of(conv), torch.randn(2, 5, 9, 9)
    called: list[str] = []

    def in_torch(*_: Any) -> Tensor:
        called.append("gathered")
        return expected

    with torch.no_grad():
        expected: Tensor = layer(x)
        graph = torch.compile(layer, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(graph(x), expected)
        monkeypatch.setattr(fused_drawn, "gathered", in_torch)
        assert torch.equal(graph(x), expected)
        assert called == []
        monkeypatch.setattr(fused_drawn, "obstacle", lambda *_: "none here")
        layer.weight.mul_(1)
        assert torch.equal(graph(x), expected)
    assert called == ["gathered"]


@pytest.mark.parametrize("variant", ["pSC4", "PS4_P4"])
def test_a_graph_for_another_device_has_torch_s_operators(variant: str) -> None:
    """The registered operator is one of the processor's; a device without memory stands for all others."""
    knobs = {"variant": variant, "form": "fused"}
    network = METHODS.get("psconv").rewrite(tiny(), Context(input=(3, 8, 8)), knobs).network.to("meta")
    seen: list[str] = []

    def look(graph: torch.fx.GraphModule, _inputs: Any) -> Any:
        seen.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    with torch.no_grad():
        torch.compile(network, backend=look)(torch.empty(1, 3, 8, 8, device="meta"))
    assert seen
    assert not any("csr_bench" in name for name in seen)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"padding_mode": "circular"}, "gathered: no kernel for padding mode circular"),
        ({"dtype": torch.bfloat16}, "gathered: no kernel in bfloat16"),
    ],
)
def test_what_it_cannot_do_is_said(options: Any, words: str) -> None:
    layer = layer_of(nn.Conv2d(4, 4, 3, 1, 1, **options))
    with torch.no_grad():
        layer(torch.randn(1, 4, 6, 6, dtype=options.get("dtype")))
    assert layer.executed_order == words


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(c_kernel, "COMPILERS", ())
    monkeypatch.delenv("CC", raising=False)
    conv, x = nn.Conv2d(4, 4, 3, 1, 1), torch.randn(1, 4, 6, 6)
    layer = layer_of(conv)
    with torch.no_grad():
        found = layer(x)
        assert layer.executed_order.startswith("gathered: no C compiler")
        torch.testing.assert_close(found, masked(conv, mask_of(conv))(x))


def test_outputs_are_gathered_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    conv, x = nn.Conv2d(4, 7, 3, 1, 1), torch.randn(2, 4, 6, 6)
    layer = DrawnConv2d(conv, mask_of(conv))
    with torch.no_grad():
        whole = layer(x)
        for size in (1, 3 * 4 * 4 * 2 * 36):
            monkeypatch.setattr(fused_drawn, "GATHERED", size)
            torch.testing.assert_close(layer(x), whole)


def test_supports_by_hand() -> None:
    """Nine single taps are patterns 0 … 8; all pairs but the last come before {7, 8}."""
    mask = torch.zeros(1, 2, 3, 3, dtype=torch.bool)
    mask[0, 0, 0, 0] = mask[0, 0, 0, 1] = mask[0, 1, 2, 1] = mask[0, 1, 2, 2] = True
    table, pattern = patterns(mask, 2)
    assert table.shape == (36, 2)
    assert pattern.tolist() == [[0, 35]]
    assert table[35].tolist() == [7, 8]
    assert len(patterns(torch.ones(1, 1, 3, 3, dtype=torch.bool), 9)[0]) == 1


def test_other_kernels_and_uneven_supports_are_refused() -> None:
    with pytest.raises(ValueError, match="3×3"):
        DrawnConv2d(nn.Conv2d(4, 4, 1), torch.ones(4, 4, 1, 1, dtype=torch.bool))
    conv = nn.Conv2d(2, 2, 3)
    uneven = mask_of(conv).clone()
    uneven[0, 0] = True
    for mask in (uneven, torch.zeros_like(uneven)):
        with pytest.raises(ValueError, match="same number of taps"):
            DrawnConv2d(conv, mask)


def test_every_form_takes_drawn_supports() -> None:
    for form in ("masked", "executed", "fused"):
        assert check_call("psconv", {"variant": "pSC4", "form": form}).knobs["form"] == form
