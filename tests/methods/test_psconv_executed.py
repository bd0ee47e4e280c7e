from __future__ import annotations

import copy
import json

import pytest
import torch
from convolutions import Convolution, convolutions
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.counting.count import count
from bench.errors import InputError
from bench.methods import METHODS, Context
from bench.methods.parts.tap_conv import TapConv2d
from bench.methods.psconv import parse, support_table, supports
from bench.models import BACKBONES
from bench.plan.knobs import check_call

VARIANTS = ["pSC9", "PS4_P4", "PS2_P6", "PS1_P9", "PSD4_P8", "PSD2_P8", "PSD1_P16", "PSD4_P2", "PSD1_P5"]


def both_forms(variant: str, conv: nn.Conv2d) -> tuple[nn.Module, TapConv2d]:
    network = nn.Sequential(conv).eval()
    context = Context(keep_first=False)
    layers = [
        METHODS.get("psconv").rewrite(copy.deepcopy(network), context, {"variant": variant, "form": form})
        for form in ("masked", "executed")
    ]
    executed = layers[1].network.get_submodule("0")
    assert isinstance(executed, TapConv2d)
    return layers[0].network, executed


@given(
    variant=st.sampled_from(VARIANTS),
    one=convolutions([0, 1, 2, (2, 1), "same", "valid"], ["zeros", "zeros", "circular", "replicate"]),
)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_executed_equals_masked(variant: str, one: Convolution) -> None:
    torch.manual_seed(0)
    ci, co = one.channels
    masked, executed = both_forms(variant, one.layer())
    x = one.image()
    expected = masked(x)
    torch.testing.assert_close(executed(x), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(executed.double()(x.double()), masked.double()(x.double()), atol=1e-10, rtol=0)
    taps = int(supports(parse(variant), co, ci, torch.Generator()).sum())
    form = executed.closed_form((expected.shape[2], expected.shape[3]))
    assert form.stored_params == sum(p.numel() for p in executed.parameters())
    assert form.stored_params == taps + (co if one.bias else 0)
    assert form.executed_macs == form.logical_macs == taps * expected.shape[2] * expected.shape[3]


@pytest.mark.parametrize("side", [2, 4, 5, 9])
@pytest.mark.parametrize("variant", ["PS4_P4", "PSD1_P16"])
def test_witnesses_agree_on_both_ways_to_run(variant: str, side: int) -> None:
    network = nn.Sequential(nn.Conv2d(10, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 7, 3, stride=2)).eval()
    context = Context(input=(10, side + 1, side + 1), keep_first=False)
    executed = METHODS.get("psconv").rewrite(network, context, {"variant": variant, "form": "executed"})
    counts = count(executed.network, context.example_input())
    assert counts.disagreements == ()
    assert counts.macs == counts.executed_macs
    assert counts.params == counts.logical_params


def test_counts_by_hand() -> None:
    """4→8 3×3, PSD2_P2: half the kernels dense, half with two taps: 16·9 + 16·2 = 176 taps."""
    network = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1, bias=True)).eval()
    context = Context(input=(4, 5, 5), keep_first=False)
    masked, executed = (
        count(
            METHODS.get("psconv")
            .rewrite(copy.deepcopy(network), context, {"variant": "PSD2_P2", "form": form})
            .network,
            context.example_input(),
        )
        for form in ("masked", "executed")
    )
    assert (masked.params, masked.logical_params) == (288 + 8, 176 + 8)
    assert (masked.executed_macs, masked.macs) == (288 * 25, 176 * 25)
    assert (executed.params, executed.logical_params) == (176 + 8, 176 + 8)
    assert (executed.executed_macs, executed.macs) == (176 * 25, 176 * 25)


def test_gradient_reaches_every_kept_tap() -> None:
    _, executed = both_forms("PSD1_P16", nn.Conv2d(20, 33, 3, padding=1))
    executed(torch.ones(1, 20, 6, 6)).sum().backward()
    for parameter in executed.parameters():
        assert parameter.grad is not None
        assert bool((parameter.grad != 0).all())


@pytest.mark.parametrize("side", [3, 8])
def test_copies_state_and_export(side: int) -> None:
    _, executed = both_forms("PSD2_P8", nn.Conv2d(9, 14, 3, padding=1))
    x = torch.randn(2, 9, side, side)
    with torch.no_grad():
        expected = executed(x)
        assert torch.equal(copy.deepcopy(executed)(x), expected)
        torch.testing.assert_close(torch.export.export(executed, (x,)).module()(x), expected)
        _, twin = both_forms("PSD2_P8", nn.Conv2d(9, 14, 3, padding=1))
        twin.load_state_dict(executed.state_dict())
        assert torch.equal(twin(x), expected)
        last = x.to(memory_format=torch.channels_last)
        torch.testing.assert_close(executed(last), expected)


def test_whole_network_stores_what_the_masked_one_keeps() -> None:
    backbone = BACKBONES.get("resnet20")
    found = []
    for form in ("masked", "executed"):
        rewritten = METHODS.get("psconv").rewrite(
            backbone.network(), Context(), {"variant": "PSD2_P8", "form": form}
        )
        found.append((rewritten, count(rewritten.network, Context().example_input())))
    (masked, masked_count), (executed, executed_count) = found
    assert executed_count.disagreements == ()
    assert executed_count.params == masked_count.logical_params
    assert executed_count.executed_macs == masked_count.macs < masked_count.executed_macs
    x = Context().example_input(2)
    with torch.no_grad():
        torch.testing.assert_close(executed.network(x), masked.network(x), atol=1e-4, rtol=1e-4)


def test_an_unknown_form_and_a_table_without_a_period_are_refused() -> None:
    with pytest.raises(ValueError, match="no period"):
        support_table(parse("pSC2"))
    with pytest.raises(InputError, match="masked, executed or fused"):
        check_call("psconv", {"variant": "PS4_P4", "form": "sparse"})
    assert (
        check_call("psconv", {"variant": "pSC9", "form": "executed"}).label
        == "psconv(variant=pSC9,form=executed)"
    )


def test_a_masked_layer_is_left_with_words() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)).eval()
    context = Context(input=(4, 8, 8), keep_first=False)
    once = METHODS.get("magnitude").rewrite(network, context, {"density": 0.5, "skip": ("0",)}).network
    rewritten = METHODS.get("psconv").rewrite(once, context, {"variant": "PS4_P4", "form": "executed"})
    assert [layer.name for layer in rewritten.replaced] == ["0"]
    assert "masked before" in rewritten.left[0].reason
    json.dumps([layer.reason for layer in rewritten.left])


def test_other_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="3×3"):
        TapConv2d(nn.Conv2d(4, 4, 1), support_table(parse("PS4_P4")))
