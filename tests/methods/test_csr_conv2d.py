"""CSRConv2d: the operator against the authors' numbers, its definition, its formula and its exports."""

from __future__ import annotations

import copy
import io
import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.counting.count import count
from bench.counting.layer_count import LayerCount
from bench.methods.csr_conv import ORDERS, CSRConv2d, undefined

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "csr_conv_vectors.json").read_text()
)
LAYER_TABLE = [
    # Ci, Co, k, T, map, depthwise, parameters, MACs
    (32, 32, 1, 3, 32, False, 244, 619520),
    (16, 96, 1, 3, 32, False, 1218, 2686976),
    (160, 960, 1, 3, 8, False, 119682, 16424960),
    (960, 320, 1, 4, 8, False, 25602, 6144000),
    (64, 64, 3, 4, 32, False, 4610, 16515072),
    (64, 128, 3, 4, 16, False, 13826, 11796480),
    (512, 512, 3, 8, 2, False, 73730, 2211840),
    (10, 7, 3, 3, 8, False, 191, 31104),
    (96, 96, 3, 3, 32, True, 578, 1474560),
]


@dataclass(frozen=True)
class Layer:
    """Arguments of a legal CSRConv2d and the input it gets."""

    Ci: int
    Co: int
    k: int
    T: int
    stride: int
    padding: int
    bias: bool
    depthwise: bool
    batch: int
    H: int
    W: int

    def build(self, order: str = "batched") -> CSRConv2d:
        torch.manual_seed(0)
        return CSRConv2d(
            self.Ci,
            self.Co,
            self.k,
            self.T,
            self.stride,
            self.padding,
            self.bias,
            self.depthwise,
            order,
            dtype=torch.float64,
        )

    def input(self) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        return torch.randn(self.batch, self.Ci, self.H, self.W, generator=generator, dtype=torch.float64)


@st.composite
def legal_layers(draw: st.DrawFn) -> Layer:
    Ci = draw(st.integers(1, 10))
    T = draw(st.integers(1, Ci))
    k = draw(st.sampled_from([1, 3, 5]))
    depthwise = draw(st.booleans())
    Co = draw(st.integers(1, 14))
    if depthwise:  # gi must divide go
        go = math.ceil(Ci / T) * draw(st.integers(1, 3))
        Co = draw(st.integers((go - 1) * T + 1, go * T))
    return Layer(
        Ci,
        Co,
        k,
        T,
        stride=draw(st.integers(1, 3)),
        padding=draw(st.integers(0, k // 2 + 1)),
        bias=draw(st.booleans()),
        depthwise=depthwise,
        batch=draw(st.integers(1, 3)),
        H=draw(st.integers(k, k + 5)),
        W=draw(st.integers(k, k + 5)),
    )


def properties(examples: int) -> settings:
    return settings(deadline=None, max_examples=examples, derandomize=True, database=None)


def by_definition(layer: CSRConv2d, x: Tensor) -> list[Tensor]:
    """h_1 … h_T as the definition writes them, without the layer's own forward."""
    T, gi, go = layer.T, layer.gi, layer.go
    groups_u, groups_v = (gi, go) if layer.depthwise else (1, 1)
    wrapped = torch.cat([x, x], 1)[:, : gi * T]
    h: list[Tensor] = []
    for step in torch.split(wrapped, gi, 1):
        u = F.conv2d(step, layer.u, layer.bias_u, layer.stride, layer.padding, 1, groups_u)
        if not h:
            h.append(u)
            continue
        v = F.conv2d(h[-1], layer.v, layer.bias_v, 1, (layer.kernel_size - 1) // 2, 1, groups_v)
        h.append(layer.alpha * torch.relu(u + v) + (1 - layer.beta) * v)
    return h


def gradients(layer: CSRConv2d, x: Tensor) -> dict[str, Tensor | None]:
    x = x.clone().requires_grad_(True)
    y = layer(x)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=y.dtype))
    return {"input": x.grad} | {name: p.grad for name, p in layer.named_parameters()}


def as_order(layer: CSRConv2d, order: str) -> CSRConv2d:
    layer = copy.deepcopy(layer)
    layer.order = order
    return layer


def case_id(case: dict[str, Any]) -> str:
    return f"{case['in_channels']}-{case['out_channels']}-k{case['kernel_size']}-T{case['T']}"


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", VECTORS, ids=case_id)
def test_the_authors_numbers_come_out_to_the_ninth_digit(case: dict[str, Any], order: str) -> None:
    words = ("in_channels", "out_channels", "kernel_size", "T", "stride", "padding", "bias", "depthwise")
    layer = CSRConv2d(**{word: case[word] for word in words}, order=order, dtype=torch.float64)
    weights = {n: case[n] for n in ("u", "v", "alpha", "beta", "bias_u", "bias_v") if case[n] is not None}
    layer.load_state_dict({n: torch.tensor(w, dtype=torch.float64) for n, w in weights.items()})

    y = layer(torch.tensor(case["x"], dtype=torch.float64))

    assert list(y.shape) == case["y_shape"]
    expected = torch.tensor(case["y"], dtype=torch.float64).view(y.shape)
    torch.testing.assert_close(y, expected, atol=1e-9, rtol=0)
    assert sum(p.numel() for p in layer.parameters()) == case["params"]


def test_all_six_vectors_are_there() -> None:
    assert len(VECTORS) == 6
    assert any(case["bias"] for case in VECTORS)
    assert any(case["depthwise"] for case in VECTORS)


@properties(80)
@given(legal_layers())
def test_both_orders_compute_the_definition(given_layer: Layer) -> None:
    layer, x = given_layer.build(), given_layer.input()
    expected = torch.cat(by_definition(layer, x), 1)[:, : given_layer.Co]
    for order in ORDERS:
        torch.testing.assert_close(as_order(layer, order)(x), expected, atol=1e-12, rtol=0)


@properties(60)
@given(legal_layers())
def test_literal_and_batched_order_agree_to_1e_12(given_layer: Layer) -> None:
    layer, x = given_layer.build(), given_layer.input()
    difference = as_order(layer, "literal")(x) - as_order(layer, "batched")(x)
    assert difference.abs().max() <= 1e-12


@properties(60)
@given(legal_layers())
def test_output_has_the_shape_of_the_dense_convolution(given_layer: Layer) -> None:
    g = given_layer
    dense = nn.Conv2d(g.Ci, g.Co, g.k, g.stride, g.padding, dtype=torch.float64)
    assert g.build()(g.input()).shape == dense(g.input()).shape


@properties(30)
@given(legal_layers(), st.sampled_from(ORDERS))
def test_formula_fvcore_and_torch_count_the_same(given_layer: Layer, order: str) -> None:
    g = given_layer
    layer = g.build(order)
    x = g.input()[:1]
    height, width = layer(x).shape[2:]
    gi, go = math.ceil(g.Ci / g.T), math.ceil(g.Co / g.T)
    per_u, per_v = (1, 1) if g.depthwise else (gi, go)
    params = g.k**2 * go * (per_u + per_v) + 2 + (2 * go if g.bias else 0)
    macs = height * width * g.k**2 * (g.T * go * per_u + (g.T - 1) * go * per_v)

    counts = count(layer, x)

    assert counts.params == params
    assert counts.witnesses == {"closed_form": macs, "fvcore": macs, "torch": macs}
    assert counts.disagreements == ()


@properties(40)
@given(legal_layers())
def test_gradients_of_both_orders_agree(given_layer: Layer) -> None:
    layer, x = given_layer.build(), given_layer.input()
    literal = gradients(as_order(layer, "literal"), x)
    batched = gradients(as_order(layer, "batched"), x)
    assert literal.keys() == batched.keys()
    for name, gradient in literal.items():
        other = batched[name]
        if gradient is None or other is None:
            assert gradient is None, name
            assert other is None, name
            continue
        torch.testing.assert_close(gradient, other, atol=1e-10, rtol=1e-10, msg=name)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("Ci", "Co", "T", "stride", "depthwise"), [(4, 4, 2, 1, False), (3, 5, 3, 2, False), (4, 4, 2, 1, True)]
)
def test_gradcheck_of_input_and_all_parameters(
    Ci: int, Co: int, T: int, stride: int, depthwise: bool, order: str
) -> None:
    torch.manual_seed(3)
    layer = CSRConv2d(Ci, Co, 3, T, stride, 1, True, depthwise, order, dtype=torch.float64)
    names = [name for name, _ in layer.named_parameters()]
    x = torch.randn(1, Ci, 4, 4, dtype=torch.float64, requires_grad=True)

    def call(x: Tensor, *values: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))
        return out

    assert torch.autograd.gradcheck(call, (x, *layer.parameters()))


@pytest.mark.parametrize(("Ci", "Co", "k", "T", "size", "depthwise", "params", "macs"), LAYER_TABLE)
def test_layer_table(
    Ci: int, Co: int, k: int, T: int, size: int, depthwise: bool, params: int, macs: int
) -> None:
    layer = CSRConv2d(Ci, Co, k, T, padding=k // 2, depthwise=depthwise)
    counts = count(layer, torch.randn(1, Ci, size, size))
    assert (counts.params, counts.macs, counts.executed_macs) == (params, macs, macs)
    assert counts.disagreements == ()
    assert layer(torch.randn(1, Ci, size, size)).shape == (1, Co, size, size)


@pytest.mark.parametrize("order", ORDERS)
def test_alpha_0_beta_1_silences_every_step_but_the_first(order: str) -> None:
    layer = CSRConv2d(8, 8, 3, 4, padding=1, bias=True, order=order)
    with torch.no_grad():
        layer.alpha.fill_(0)
        layer.beta.fill_(1)
        y = layer(torch.randn(2, 8, 5, 5))
    assert (y[:, 2:] == 0).all()
    assert (y[:, :2] != 0).any()


@pytest.mark.parametrize("order", ORDERS)
def test_without_v_each_later_step_is_alpha_relu_of_its_own_group(order: str) -> None:
    layer = CSRConv2d(6, 6, 3, 3, padding=1, order=order, dtype=torch.float64)
    x = torch.randn(2, 6, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        layer.v.zero_()
        layer.alpha.fill_(0.3)
        y = layer(x)
        torch.testing.assert_close(y[:, :2], F.conv2d(x[:, :2], layer.u, padding=1))
        for t in (1, 2):
            alone = F.conv2d(x[:, 2 * t : 2 * t + 2], layer.u, padding=1)
            torch.testing.assert_close(y[:, 2 * t : 2 * t + 2], 0.3 * torch.relu(alone))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("depthwise", [False, True])
def test_one_step_is_an_ordinary_convolution_with_u(order: str, depthwise: bool) -> None:
    layer = CSRConv2d(4, 8, 3, 1, 2, 1, True, depthwise, order, dtype=torch.float64)
    x = torch.randn(2, 4, 7, 7, dtype=torch.float64)
    expected = F.conv2d(x, layer.u, layer.bias_u, 2, 1, groups=4 if depthwise else 1)
    torch.testing.assert_close(layer(x), expected, atol=1e-12, rtol=0)


def test_the_missing_input_channels_are_the_first_ones() -> None:
    layer = CSRConv2d(5, 6, 1, 3, dtype=torch.float64)  # gi = 2: one channel is missing
    x = torch.randn(1, 5, 3, 3, dtype=torch.float64)
    filled = torch.cat([x, x[:, :1]], 1)
    six = CSRConv2d(6, 6, 1, 3, dtype=torch.float64)
    six.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), six(filled), atol=0, rtol=0)


def test_parameters_carry_the_names_of_the_paper() -> None:
    with_bias = CSRConv2d(4, 4, 3, 2, bias=True)
    assert {n for n, _ in with_bias.named_parameters()} == {"u", "v", "alpha", "beta", "bias_u", "bias_v"}
    assert {n for n, _ in CSRConv2d(4, 4, 3, 2).named_parameters()} == {"u", "v", "alpha", "beta"}
    assert with_bias.u.shape == (2, 2, 3, 3)
    assert CSRConv2d(4, 8, 3, 2, depthwise=True).u.shape == (4, 1, 3, 3)


def test_alpha_and_beta_begin_at_one_half() -> None:
    layer = CSRConv2d(4, 4, 3, 2)
    assert layer.alpha.item() == layer.beta.item() == 0.5
    assert layer.alpha.shape == layer.beta.shape == ()


@pytest.mark.parametrize("bias", [False, True])
def test_weights_are_drawn_as_pytorch_draws_those_of_a_convolution(bias: bool) -> None:
    torch.manual_seed(5)
    layer = CSRConv2d(6, 9, 3, 3, bias=bias)
    torch.manual_seed(5)
    u = nn.Conv2d(2, 3, 3, bias=bias)
    v = nn.Conv2d(3, 3, 3, bias=bias)
    assert torch.equal(layer.u, u.weight)
    assert torch.equal(layer.v, v.weight)
    if u.bias is not None and v.bias is not None:
        assert torch.equal(layer.bias_u, u.bias)
        assert torch.equal(layer.bias_v, v.bias)


@properties(40)
@given(legal_layers())
def test_biases_are_finite_and_within_pytorchs_bound(given_layer: Layer) -> None:
    layer = given_layer.build()
    for weight, bias in ((layer.u, layer.bias_u), (layer.v, layer.bias_v)):
        bound = 1 / math.sqrt(weight[0].numel())
        assert weight.abs().max() <= bound
        if bias is not None:
            assert torch.isfinite(bias).all()
            assert bias.abs().max() <= bound
    assert (layer.bias_u is not None) == given_layer.bias


def test_reset_parameters_leaves_no_memory_of_the_old_values() -> None:
    layer = CSRConv2d(4, 4, 3, 2, bias=True)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(float("nan"))
    layer.reset_parameters()
    assert all(torch.isfinite(p).all() for p in layer.parameters())


LEGAL: dict[str, Any] = {"in_channels": 4, "out_channels": 4, "kernel_size": 3, "T": 2}


@pytest.mark.parametrize(
    ("wrong", "why", "mend"),
    [
        ({"T": 5}, r"T=5 is more than the 4 input channels", r"T from 1 to 4 works"),
        ({"T": 0}, r"T=0", r"at least 1"),
        ({"T": -2}, r"T=-2", r"at least 1"),
        ({"kernel_size": 2}, r"kernel 2×2 is even", r"an odd one works"),
        ({"kernel_size": (4, 4)}, r"kernel 4×4 is even", r"an odd one works"),
        ({"kernel_size": 0}, r"kernel 0×0", r"an odd one works"),
        ({"kernel_size": (3, 1)}, r"kernel 3×1 is rectangular", r"a square one works"),
        ({"dilation": 2}, r"dilation 2 is not defined", r"dilation 1 works"),
        ({"dilation": (1, 2)}, r"dilation 2 is not defined", r"dilation 1 works"),
        ({"groups": 2}, r"2 groups are not defined", r"groups=1, or depthwise=True, works"),
        ({"order": "fast"}, r"not 'fast'", r"'batched', 'literal' or 'fused'"),
        ({"out_channels": 6, "depthwise": True}, r"does not divide 3", r"a multiple of 4 works"),
    ],
)
def test_what_is_not_defined_is_refused_with_the_reason_and_the_mend(
    wrong: dict[str, Any], why: str, mend: str
) -> None:
    with pytest.raises(ValueError, match=why) as refusal:
        CSRConv2d(**LEGAL | wrong)
    assert refusal.match(mend)


def test_the_limits_themselves_are_accepted() -> None:
    assert CSRConv2d(**LEGAL | {"T": 4})(torch.randn(1, 4, 5, 5)).shape == (1, 4, 3, 3)
    assert CSRConv2d(**LEGAL | {"kernel_size": (3, 3), "dilation": (1, 1)}).kernel_size == 3


@properties(60)
@given(st.integers(1, 12), st.integers(1, 40), st.data())
def test_bug_the_mend_of_a_refused_depthwise_layer_works(Ci: int, Co: int, data: st.DataObject) -> None:
    T = data.draw(st.integers(1, Ci))
    try:
        CSRConv2d(Ci, Co, 3, T, depthwise=True)
    except ValueError as error:
        multiple = int(str(error).rpartition("a multiple of ")[2].split()[0])
        for factor in (1, 2, 3):
            CSRConv2d(Ci, factor * multiple, 3, T, depthwise=True)


@pytest.mark.parametrize("order", ORDERS)
def test_a_deep_copy_is_equal_and_independent(order: str) -> None:
    layer = CSRConv2d(5, 7, 3, 3, padding=1, bias=True, order=order)
    twin = copy.deepcopy(layer)
    x = torch.randn(2, 5, 6, 6)
    before = layer(x)
    assert torch.equal(twin(x), before)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(layer(x), before)


def test_a_state_dict_crosses_a_file_and_either_order() -> None:
    torch.manual_seed(0)
    source = CSRConv2d(5, 7, 3, 3, padding=1, bias=True, order="literal", dtype=torch.float64)
    with torch.no_grad():
        source.alpha.fill_(0.9)
        source.beta.fill_(0.1)
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    target = CSRConv2d(5, 7, 3, 3, padding=1, bias=True, order="batched", dtype=torch.float64)
    target.load_state_dict(torch.load(file))
    x = torch.randn(2, 5, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(target(x), source(x), atol=1e-12, rtol=0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("Ci", [6, 5])
def test_channels_last_input_gives_the_same_result(order: str, Ci: int) -> None:
    layer = CSRConv2d(Ci, 7, 3, 3, 2, 1, True, order=order, dtype=torch.float64)
    x = torch.randn(2, Ci, 8, 8, dtype=torch.float64)
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(layer(last), layer(x), atol=1e-12, rtol=0)
    moved = copy.deepcopy(layer).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(moved(last), layer(x), atol=1e-12, rtol=0)


def test_stride_and_padding_may_differ_by_axis() -> None:
    layer = CSRConv2d(4, 4, 3, 2, stride=(1, 2), padding=(0, 2))
    assert (
        layer(torch.randn(1, 4, 8, 8)).shape
        == nn.Conv2d(4, 4, 3, (1, 2), (0, 2))(torch.randn(1, 4, 8, 8)).shape
    )


def test_its_representation_names_every_choice() -> None:
    text = repr(CSRConv2d(5, 7, 3, 3, 2, 1, True, order="literal"))
    for word in ("5, 7", "kernel_size=3", "T=3", "stride=2", "padding=1", "bias=True", "order='literal'"):
        assert word in text


def test_its_representation_in_full() -> None:
    assert CSRConv2d(5, 7, 3, 3, 2, 1).extra_repr() == (
        "5, 7, kernel_size=3, T=3, stride=2, padding=1, bias=False, depthwise=False, order='batched'"
    )


def test_every_parameter_has_the_device_and_type_asked_for() -> None:
    layer = CSRConv2d(4, 6, 3, 2, bias=True, device="meta", dtype=torch.float64)
    assert len(list(layer.parameters())) == 6
    assert {(p.device.type, p.dtype) for p in layer.parameters()} == {("meta", torch.float64)}


def test_the_defaults_are_one_plain_convolution() -> None:
    layer = CSRConv2d(4, 4, 3, 2)
    assert (layer.stride, layer.padding, layer.order, layer.depthwise) == (1, 0, "batched", False)
    assert layer.bias_u is layer.bias_v is None
    assert layer(torch.zeros(1, 4, 5, 5)).shape == (1, 4, 3, 3)


def test_groups_of_channels_by_hand() -> None:
    """7 = 3 groups of 3, less 2; 10 = 3 groups of 4, less 2."""
    layer = CSRConv2d(7, 10, 3, 3)
    assert (layer.gi, layer.go) == (3, 4)
    assert (layer.u.shape, layer.v.shape) == ((4, 3, 3, 3), (4, 4, 3, 3))
    counted = layer.closed_form((5, 2))
    assert counted == LayerCount.dense(9 * 4 * (3 + 4) + 2, 10 * 9 * 4 * (3 * 3 + 2 * 4))
    depthwise = CSRConv2d(8, 8, 5, 2, bias=True, depthwise=True).closed_form((3, 3))
    assert depthwise == LayerCount.dense(25 * 4 * 2 + 2 + 8, 9 * 25 * 4 * (2 + 1))


def test_spans_name_what_runs_and_end() -> None:
    layer, names = CSRConv2d(4, 4, 3, 2, padding=1, order="literal"), list[str]()

    @contextmanager
    def span(name: str) -> Iterator[None]:
        names.append(f"+{name}")
        yield
        names.append(f"-{name}")

    x = torch.randn(1, 4, 5, 5)
    before = layer(x)
    with layer.spans(span):
        assert torch.equal(layer(x), before)
    assert names == ["+U", "-U", "+U", "-U", "+V", "-V"]
    with pytest.raises(KeyError), layer.spans(span):
        raise KeyError
    names.clear()
    assert torch.equal(layer(x), before)
    assert names == []


REFUSED = [
    ((4, 3, 0), "T=0: the number of steps must be at least 1"),
    ((4, 3, 5), "T=5 is more than the 4 input channels: T from 1 to 4 works"),
    ((4, (3, 1), 2), "kernel 3×1 is rectangular: a square one works"),
    ((4, 2, 2), "kernel 2×2 is even, V would shrink the map: an odd one works"),
    ((4, -1, 2), "kernel -1×-1 is even, V would shrink the map: an odd one works"),
    ((4, 3, 2, 3), "dilation 3 is not defined for CSR-Conv: dilation 1 works"),
    ((4, 3, 2, (1, 3)), "dilation 3 is not defined for CSR-Conv: dilation 1 works"),
    ((4, 3, 2, 1, 4), "4 groups are not defined for CSR-Conv: groups=1, or depthwise=True, works"),
    ((4, 1, 4), ""),
    ((1, (1, 1), 1, (1, 1), 1), ""),
]


@pytest.mark.parametrize(("layer", "words"), REFUSED)
def test_why_it_is_not_defined_in_full(layer: tuple[Any, ...], words: str) -> None:
    assert undefined(*layer) == words


def small(order: str) -> tuple[CSRConv2d, Tensor]:
    torch.manual_seed(0)
    layer = CSRConv2d(5, 7, 3, 3, padding=1, bias=True, order=order).eval()
    return layer, torch.randn(2, 5, 6, 6)


@pytest.mark.parametrize("order", ORDERS)
def test_torch_compile_traces_it_whole_and_its_gradients_too(order: str) -> None:
    layer, x = small(order)
    expected = gradients(layer, x)
    layer.zero_grad()
    torch._dynamo.reset()
    compiled: Any = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x), atol=1e-6, rtol=0)
    for name, gradient in gradients(compiled, x).items():
        torch.testing.assert_close(gradient, expected[name.removeprefix("_orig_mod.")], atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler (g++), there is none")
def test_torch_compile_with_inductor_gives_the_same_numbers() -> None:
    layer, x = small("batched")
    torch._dynamo.reset()
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(layer)(x), layer(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("order", ORDERS)
def test_torch_export_round_trip(order: str) -> None:
    layer, x = small(order)
    file = io.BytesIO()
    torch.export.save(torch.export.export(layer, (x,)), file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    torch.testing.assert_close(loaded(x), layer(x), atol=1e-6, rtol=0)


@pytest.mark.parametrize("order", ORDERS)
def test_onnx_export_runs_in_onnxruntime_with_the_same_numbers(order: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="torch.onnx.export needs onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime", reason="nothing to run the exported model with")
    layer, x = small(order)
    program = torch.onnx.export(layer, (x,), dynamo=True, verbose=False)
    assert program is not None
    file = tmp_path / "layer.onnx"
    program.save(file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(y), layer(x).detach(), atol=1e-5, rtol=0)
