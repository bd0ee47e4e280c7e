"""The three witnesses: they agree on what is right, and say which layer is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.counting import operators
from bench.counting.closed_form import counted_layers, own_layers
from bench.counting.count import count
from bench.counting.layer_count import LayerCount
from bench.counting.protocols import HasClosedForm
from bench.counting.witnesses import FvcoreWitness, TorchWitness, _name
from bench.methods.csr_conv import CSRConv2d
from bench.methods.parts.masking import masked


class False_(nn.Conv2d):  # noqa: N801
    """A convolution whose formula is off by ``error`` MACs."""

    error = 0

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        params = sum(p.numel() for p in self.parameters())
        return LayerCount.dense(params, self.weight.numel() * output_hw[0] * output_hw[1] + self.error)


class Pair(nn.Module):
    """A layer of two convolutions with one formula for both."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False)
        self.point = nn.Conv2d(3, 3, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.depth(x) + self.point(x)
        return out

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        return LayerCount.dense(27 + 9, (27 + 9) * output_hw[0] * output_hw[1])


class Hidden(nn.Module):
    """A convolution that no layer stands for."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.kernel = nn.Parameter(torch.randn(3, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(self.conv(x), self.kernel)


class Unused(nn.Module):
    """A layer with weights that never runs, and one without."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Conv2d(3, 3, 1)
        self.spare = nn.Conv2d(3, 3, 1)
        self.harmless = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.used(x)
        return out


class Iterated(nn.Module):
    """A container that is never called itself: its members are, one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def false(error: int) -> False_:
    layer = False_(3, 3, 1)
    layer.error = error
    return layer


@pytest.fixture(scope="module")
def doubling() -> Iterator[torch._ops.OpOverloadPacket]:
    """A custom operator."""
    library = torch.library.Library("bench_tests", "FRAGMENT")
    library.define("double(Tensor x) -> Tensor")
    library.impl("double", lambda x: x * 2, "CompositeExplicitAutograd")
    yield torch.ops.bench_tests.double
    library._destroy()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, 2, 1),
        nn.Conv2d(4, 4, 3, groups=4, bias=False),
        nn.Conv2d(4, 4, (3, 1), padding=(1, 0)),
        CSRConv2d(4, 6, 3, 3, padding=1, bias=True),
        CSRConv2d(4, 8, 3, 2, depthwise=True, order="literal"),
        masked(nn.Conv2d(4, 4, 3), torch.rand(4, 4, 3, 3) < 0.5),
        nn.Sequential(nn.Flatten(), nn.Linear(4 * 64, 5)),
        nn.Sequential(nn.Flatten(2), nn.Linear(64, 5, bias=False)),
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Hardswish(), nn.AdaptiveAvgPool2d(1)),
    ],
    ids=[
        "conv",
        "groups",
        "3x1",
        "csr",
        "csr depthwise",
        "masked",
        "linear",
        "linear on tokens",
        "activation",
    ],
)
def test_all_three_agree(layer: nn.Module) -> None:
    layer, x = layer.eval(), torch.randn(1, 4, 8, 8)
    closed = sum(row.count.executed_macs for row in counted_layers(layer, x))
    assert closed > 0
    assert closed == FvcoreWitness(layer, x).macs == TorchWitness(layer, x).macs
    assert count(layer, x).disagreements == ()


def test_batchnorm_and_pooling_are_no_macs_for_any_witness() -> None:
    network, x = nn.Sequential(nn.BatchNorm2d(3), nn.AvgPool2d(2), nn.ReLU()).eval(), torch.randn(1, 3, 8, 8)
    assert FvcoreWitness(network, x).macs == TorchWitness(network, x).macs == 0
    assert count(network, x).disagreements == ()


@pytest.mark.parametrize("error", [1, -1, 1000])
def test_a_false_formula_is_reported_with_the_layers_name(error: int) -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(false(error)))
    counts = count(network, torch.randn(1, 3, 8, 8))
    assert counts.disagreements == (f"1.0: closed form {576 + error}, fvcore 576, torch 576",)
    assert counts.witnesses == {"closed_form": 2 * 576 + error, "fvcore": 2 * 576, "torch": 2 * 576}


def test_a_true_formula_of_the_same_class_is_not_reported() -> None:
    assert count(nn.Sequential(false(0)), torch.randn(1, 3, 8, 8)).disagreements == ()


def test_bug_false_formulas_that_cancel_are_reported_both() -> None:
    counts = count(nn.Sequential(false(5), false(-5)), torch.randn(1, 3, 8, 8))
    assert len(set(counts.witnesses.values())) == 1
    assert [line.partition(":")[0] for line in counts.disagreements] == ["0", "1"]


def test_a_network_that_is_one_layer_is_called_network() -> None:
    counts = count(false(1), torch.randn(1, 3, 8, 8))
    assert counts.disagreements == ("network: closed form 577, fvcore 576, torch 576",)


@pytest.mark.parametrize("wrapped", [False, True])
def test_bug_nothing_inside_a_layer_with_a_formula_counts_again(wrapped: bool) -> None:
    network = nn.Sequential(Pair()) if wrapped else Pair()
    counts = count(network, torch.randn(1, 3, 8, 8))
    assert (counts.params, counts.macs) == (36, 64 * 36)
    assert [row.kind for row in counts.layers] == ["Pair"]
    assert counts.disagreements == ()


def test_own_layers_are_those_with_weights_and_a_formula() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), Pair(), nn.ConvTranspose2d(3, 3, 2), nn.Linear(4, 4), nn.ReLU()
    )
    assert [name for name, _ in own_layers(network)] == ["0", "2", "4"]
    assert isinstance(Pair(), HasClosedForm)
    assert not isinstance(nn.Conv2d(1, 1, 1), HasClosedForm)


def test_a_convolution_without_a_layer_is_reported() -> None:
    counts = count(Hidden(), torch.randn(1, 3, 8, 8))
    assert counts.disagreements == ("outside all counted layers: closed_form 576, fvcore 1152, torch 1152",)


def test_a_transposed_convolution_is_reported() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ConvTranspose2d(3, 4, 2, 2))
    (line,) = count(network, torch.randn(1, 3, 8, 8)).disagreements
    assert line.startswith("outside all counted layers: closed_form 576")


def test_a_custom_operator_is_reported(doubling: torch._ops.OpOverloadPacket) -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = doubling(self.conv(x))
            return out

    assert count(Doubled(), torch.randn(1, 3, 8, 8)).disagreements == (
        "fvcore does not know bench_tests::double",
    )


def test_an_operator_outside_the_list_is_reported() -> None:
    class Summed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cumsum(x, 1)

    assert count(Summed(), torch.randn(1, 3, 8, 8)).disagreements == ("fvcore does not know aten::cumsum",)


def test_weights_that_are_never_called_are_reported() -> None:
    counts = count(Unused(), torch.randn(1, 3, 8, 8))
    assert counts.disagreements == ("never called: spare",)
    assert counts.params == 24  # stored all the same


def test_a_container_whose_members_are_called_is_not_reported() -> None:
    assert count(Iterated(), torch.randn(1, 3, 8, 8)).disagreements == ()


def test_layers_stand_in_the_order_they_run() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Conv2d(4, 5, 1)
            self.first = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.last(self.first(x))
            return out

    layers = counted_layers(Backwards(), torch.randn(1, 3, 2, 2))
    assert [layer.name for layer in layers] == ["first", "last"]
    assert [(layer.input_shape, layer.output_shape) for layer in layers] == [
        ((3, 2, 2), (4, 2, 2)),
        ((4, 2, 2), (5, 2, 2)),
    ]


def test_hooks_are_taken_off_when_the_network_fails() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1))
    with pytest.raises(RuntimeError):
        counted_layers(network, torch.randn(1, 3, 8, 8))
    assert not any(module._forward_hooks for module in network.modules())


def test_the_witnesses_give_the_share_of_every_module() -> None:
    network, x = (
        nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)), nn.Conv2d(4, 2, 1)).eval(),
        torch.randn(1, 3, 4, 4),
    )
    for witness in (FvcoreWitness(network, x), TorchWitness(network, x)):
        assert witness.by_module["0"] == witness.by_module["0.0"] == 16 * 12
        assert witness.by_module["1"] == 16 * 8
        assert witness.macs == 16 * 20
        assert set(witness.by_module) == {"", "0", "0.0", "1"}


class Announced(nn.Module):
    """A formula of 576 MACs, over a custom operator that one of the other witnesses is told wrongly of."""

    def __init__(self, operator: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, x: Tensor) -> Tensor:
        return self.operator(x)

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        return LayerCount.dense(0, 9 * output_hw[0] * output_hw[1])


@pytest.mark.parametrize(("fvcore", "counter"), [(577, 576), (576, 577), (577, 577)])
def test_one_witness_alone_is_enough_to_disagree(
    doubling: torch._ops.OpOverloadPacket, monkeypatch: pytest.MonkeyPatch, fvcore: int, counter: int
) -> None:
    monkeypatch.setitem(operators.TRACED, "bench_tests::double", lambda _inputs, _outputs: fvcore)
    monkeypatch.setitem(operators.DISPATCHED, doubling, lambda *_shapes, **_named: 2 * counter)
    network = nn.Sequential(Announced(doubling))
    counts = count(network, torch.randn(1, 3, 8, 8))
    assert counts.disagreements == (f"0: closed form 576, fvcore {fvcore}, torch {counter}",)
    assert counts.witnesses == {"closed_form": 576, "fvcore": fvcore, "torch": counter}


class Claiming(nn.Module):
    """Computes nothing; says that it has 1 MAC per row and 10 per column of its output map."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        return LayerCount.dense(0, output_hw[0] + 10 * output_hw[1])


@pytest.mark.parametrize(("shape", "macs"), [((1, 3, 4, 7), 74), ((1, 3, 5), 15), ((1, 3, 2, 3, 4), 34)])
def test_a_formula_gets_height_and_width_or_all_places_in_one(shape: tuple[int, ...], macs: int) -> None:
    (layer,) = counted_layers(Claiming(), torch.randn(shape))
    assert layer.count.executed_macs == macs


def test_a_layer_that_no_other_witness_has_seen_has_none_of_their_macs() -> None:
    counts = count(nn.Sequential(Claiming(), nn.Conv2d(3, 3, 1)), torch.randn(1, 3, 4, 4))
    assert [(row.fvcore_macs, row.torch_macs) for row in counts.layers] == [(0, 0), (144, 144)]
    assert counts.disagreements == ("0: closed form 44, fvcore 0, torch 0",)


def test_an_operator_has_its_name_or_its_words() -> None:
    assert _name(torch.ops.aten.mm) == "mm"
    assert _name(7) == "7"


def test_disputed_layers_are_those_whose_macs_differ_and_the_largest_count_is_kept() -> None:
    network = nn.Sequential(false(5), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1))
    found = count(network, torch.randn(1, 3, 8, 8))
    assert found.disputed_layers == 1
    assert found.witnessed_macs == found.executed_macs == found.witnesses["torch"] + 5
    sound = count(network[1:], torch.randn(1, 3, 8, 8))
    assert (sound.disputed_layers, sound.witnessed_macs) == (0, sound.executed_macs)


class Wasteful(nn.Conv2d):
    """A convolution that is computed twice, once for nothing; its formula is that of one."""

    def forward(self, x: Tensor) -> Tensor:
        super().forward(x)
        return super().forward(x)


def test_what_is_thrown_away_is_disputed_by_torchs_counter_alone() -> None:
    found = count(nn.Sequential(Wasteful(3, 4, 3)), torch.randn(1, 3, 8, 8))
    assert found.disputed_layers == 1
    assert found.witnessed_macs == 2 * found.executed_macs
    assert found.witnesses["fvcore"] == found.executed_macs
