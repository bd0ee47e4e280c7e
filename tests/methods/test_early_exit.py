"""Early exits: who leaves where, what runs for them, and what cannot have exits."""

from __future__ import annotations

import copy
import json
import math
from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from method_checks import tiny
from torch import Tensor, nn

from bench.case import Case, MethodCall
from bench.counting.count import count
from bench.counting.protocols import HasExits
from bench.counting.sizes import sizes
from bench.errors import InputError
from bench.methods import METHODS, Context, Rewritten
from bench.methods.early_exit import EarlyExitNetwork, entropy, settle
from bench.models import BACKBONES
from bench.models.base import HasStages
from bench.network import prepare
from bench.plan.knobs import check_call

INPUT = (3, 8, 8)
CONTEXT = Context(input=INPUT)


class Chain(nn.Module):
    """Three stages of a convolution each, 4, 6 and 8 channels wide: (B, 3, 8, 8) -> (B, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.b = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.c = nn.Conv2d(6, 8, 1, bias=False)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.c(self.b(self.a(x))).mean((2, 3)))
        return out

    def as_stages(self) -> dict[str, nn.Module]:
        end = OrderedDict(c=self.c, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=self.fc)
        return {"a": self.a, "b": self.b, "end": nn.Sequential(end)}


def chain() -> Chain:
    torch.manual_seed(0)
    return Chain().eval()


def exited(threshold: float | tuple[float, ...], convs: int = 1) -> Rewritten:
    knobs = {"threshold": threshold, "convs": convs}
    return METHODS.get("early_exit").rewrite(chain(), CONTEXT, knobs)


def network(threshold: float | tuple[float, ...], convs: int = 1) -> EarlyExitNetwork:
    found = exited(threshold, convs).network
    assert isinstance(found, EarlyExitNetwork)
    return found


def left_at(dynamic: EarlyExitNetwork) -> list[int]:
    with torch.inference_mode():
        return [dynamic.left_at(x) for x in CONTEXT.varied_inputs().split(1)]


@pytest.mark.parametrize(
    ("threshold", "left"),
    [
        (0.5, (20, 10, 10)),
        ((0.3, 0.3), (12, 8, 20)),
        ((0.25, 0.0), (10, 0, 30)),
        (0.0, (0, 0, 40)),
        (1.0, (40, 0, 0)),
        ((0.0, 1.0), (0, 40, 0)),
    ],
)
def test_the_asked_share_of_those_who_come_leaves(
    threshold: float | tuple[float, ...], left: tuple[int, ...]
) -> None:
    dynamic = network(threshold)
    assert isinstance(dynamic, HasExits)
    assert dynamic.exits == ("a", "b", "end")
    assert dynamic.left == left
    assert [left_at(dynamic).count(exit) for exit in range(3)] == list(left)


def test_the_surest_leave_first() -> None:
    dynamic = network((0.3, 0.5))
    places = left_at(dynamic)
    with torch.inference_mode():
        answers = dynamic.way(0)(CONTEXT.varied_inputs())[0]
    values = entropy(answers).tolist()
    assert max(v for v, at in zip(values, places, strict=True) if at == 0) < min(
        v for v, at in zip(values, places, strict=True) if at > 0
    )


def test_the_answer_of_an_exit_is_that_of_the_network_cut_there() -> None:
    dynamic = network((0.3, 0.5))
    trunk, branches = dynamic.trunk, dynamic.branches
    cut = {
        0: nn.Sequential(trunk["a"], branches["a"]),
        1: nn.Sequential(trunk["a"], trunk["b"], branches["b"]),
        2: nn.Sequential(trunk["a"], trunk["b"], trunk["end"]),
    }
    places = set()
    with torch.inference_mode():
        for x in CONTEXT.varied_inputs().split(1):
            at = dynamic.left_at(x)
            places.add(at)
            assert torch.equal(dynamic(x), cut[at](x))
            assert torch.equal(dynamic.way(at)(x)[-1], cut[at](x))
    assert places == {0, 1, 2}


def test_what_stays_to_the_end_gets_the_answer_of_the_network_without_exits() -> None:
    dynamic = network(0.0)
    dense = chain()
    dense.a.load_state_dict(dynamic.trunk["a"].state_dict())  # the statistics were estimated anew
    dense.b.load_state_dict(dynamic.trunk["b"].state_dict())
    x = CONTEXT.example_input()
    torch.testing.assert_close(dynamic(x), dense(x))


def test_macs_are_the_expectation_over_the_exits_by_hand() -> None:
    """Stem 3·4·9·64, branch 4·4·9·64 + 4·5; strided 4·6·9·16, branch 6·6·9·16 + 6·5; 1×1 6·8·16, 8·5."""
    counts = count(network((0.5, 0.25)), CONTEXT.example_input())
    first = 6912 + 9216 + 20
    second = first + 3456 + 5184 + 30
    end = second + 768 + 40
    assert [(e.name, e.inputs, e.macs) for e in counts.exits] == [
        ("a", 20, first),
        ("b", 5, second),
        ("end", 15, end),
    ]
    expected = (20 * first + 5 * second + 15 * end) / 40
    assert counts.macs == counts.executed_macs == round(expected)
    assert counts.disagreements == ()
    assert set(counts.witnesses.values()) == {counts.macs}
    assert counts.params == sum(p.numel() for p in network(0.5).parameters())
    shares = {row.name: row.share for row in counts.layers}
    assert shares["trunk.a.0"] == shares["branches.a.0"] == 1
    assert shares["trunk.b.0"] == 0.5
    assert shares["trunk.end.c"] == 15 / 40
    assert sum(row.share * row.macs for row in counts.layers) == pytest.approx(expected)


def test_sizes_are_those_of_the_counts() -> None:
    dynamic, x = network((0.5, 0.25)), CONTEXT.example_input()
    counts, found = count(dynamic, x), sizes(dynamic, x)
    assert (found.macs, found.executed_macs, found.params) == (
        counts.macs,
        counts.executed_macs,
        counts.params,
    )


def test_a_branch_has_as_many_convolutions_as_asked() -> None:
    for convs in (0, 2):
        dynamic = network(0.5, convs)
        assert sum(isinstance(layer, nn.Conv2d) for layer in dynamic.branches["a"].modules()) == convs
        assert left_at(dynamic).count(0) == 20


def test_the_account_names_every_exit() -> None:
    replaced = exited(0.5).replaced
    assert [layer.name for layer in replaced] == ["a", "b"]
    assert replaced[0].after.startswith("an exit with 1 × 3×3 4, mean and linear 4 -> 5, for entropies below")


def test_the_recipe_survives_json_and_gives_the_same_network() -> None:
    method = METHODS.get("early_exit")
    before = chain()
    state = copy.deepcopy(before.state_dict())
    recipe = method.recipe(before, CONTEXT, {"threshold": (0.3,)})
    assert all(torch.equal(value, state[name]) for name, value in before.state_dict().items())
    again = Context(input=INPUT, recipe=json.loads(json.dumps(recipe)))
    one = method.rewrite(chain(), again, {"threshold": (0.3,)}).network
    assert isinstance(one, EarlyExitNetwork)
    assert left_at(one) == left_at(network(0.3))
    assert left_at(copy.deepcopy(one)) == left_at(one)


def test_statistics_fit_so_that_answers_differ() -> None:
    dynamic = network(0.5)
    with torch.inference_mode():
        values = entropy(dynamic.way(1)(CONTEXT.varied_inputs())[1]).tolist()
    assert len(set(values)) == len(values)


def test_a_batch_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="a batch of 2: every input leaves by itself"):
        network(0.5)(torch.randn(2, *INPUT))


def test_a_network_without_stages_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="TinyNet names no stages, so there is nothing to attach an exit to"):
        METHODS.get("early_exit").rewrite(tiny(), CONTEXT, {"threshold": 0.5})


def test_a_module_that_is_called_stages_makes_no_network_of_stages() -> None:
    network = tiny()
    network.stages = nn.Sequential(nn.Identity())
    with pytest.raises(ValueError, match="TinyNet names no stages"):
        METHODS.get("early_exit").rewrite(network, CONTEXT, {"threshold": 0.5})
    assert not isinstance(BACKBONES.get("spartan_t").network(), HasStages)


def test_a_wrong_number_of_thresholds_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"3 thresholds for 2 exits \(after a, b\): one for each, or one"):
        exited((0.1, 0.2, 0.3))


@pytest.mark.parametrize("value", [-0.1, 1.5, (0.5, 2.0), math.nan])
def test_a_threshold_that_is_no_quantile_is_wrong_input(value: float | tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="a quantile between 0"):
        check_call("early_exit", {"threshold": list(value) if isinstance(value, tuple) else value})


def test_other_knobs_out_of_range_are_wrong_input() -> None:
    with pytest.raises(InputError, match="an empty list"):
        check_call("early_exit", {"threshold": []})
    with pytest.raises(InputError, match="convs=-1"):
        check_call("early_exit", {"threshold": 0.5, "convs": -1})


def test_nothing_may_change_a_network_behind_its_exits() -> None:
    calls = (MethodCall("early_exit", {"threshold": 0.5}), MethodCall("magnitude", {"density": 0.5}))
    with pytest.raises(ValueError, match="magnitude: behind a method that adds exits"):
        prepare(Case("resnet20", calls))


def test_exits_stand_behind_a_compressed_network() -> None:
    calls = (MethodCall("csr_conv", {"T": 2}), MethodCall("early_exit", {"threshold": 0.5}))
    rewritten, recipes = prepare(Case("resnet20", calls))
    assert isinstance(rewritten.network, HasExits)
    assert recipes[1]["left"] == [20, 10, 10]
    assert {layer.name for layer in rewritten.replaced} >= {"layer1.0.conv1", "stage1"}


@pytest.mark.parametrize("name", ["resnet20", "resnet32", "vgg16_bn"])
def test_the_stages_of_a_backbone_are_the_backbone(name: str) -> None:
    dense = BACKBONES.get(name).network()
    assert isinstance(dense, HasStages)
    stages = dense.as_stages()
    x = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(nn.Sequential(*stages.values())(x), dense(x))
    found = {id(p) for stage in stages.values() for p in stage.parameters()}
    assert found == {id(p) for p in dense.parameters()}


@given(
    rows=st.lists(
        st.lists(st.floats(0, 2.3, allow_nan=False), min_size=40, max_size=40, unique=True),
        min_size=1,
        max_size=4,
    ),
    shares=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_shares_are_what_was_asked_to_within_one_input(rows: list[list[float]], shares: list[float]) -> None:
    shares = shares[: len(rows)]
    try:
        recipe = settle(rows, shares)
    except ValueError as error:  # neighbours so near that no number lies between them
        assert "no threshold tells these apart" in str(error)  # noqa: PT017
        return
    assert sum(recipe["left"]) == 40
    coming = 40
    for share, left in zip(shares, recipe["left"], strict=False):
        assert abs(left - share * coming) <= 0.5 + 1e-9
        coming -= left
    staying = list(range(40))
    for row, limit, left in zip(rows, recipe["entropies"], recipe["left"], strict=False):
        going = [i for i in staying if row[i] < limit]
        assert len(going) == left
        staying = [i for i in staying if i not in going]
    json.dumps(recipe, allow_nan=False)


def test_equal_entropies_that_a_threshold_would_have_to_part_are_refused() -> None:
    with pytest.raises(ValueError, match="exit 1: 2 of 4 inputs should leave there, but some of their"):
        settle([[1.0, 1.0, 1.0, 2.0]], [0.5])
    assert settle([[1.0, 1.0, 1.0, 2.0]], [0.75])["left"] == [3, 1]
