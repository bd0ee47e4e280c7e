"""Methods: random numbers from the seed alone, and a case's chain of methods with its recipes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from bench.case import DENSE, Case, MethodCall
from bench.counting.count import count
from bench.methods import METHODS, Context, Method, Replaced, Rewritten, method
from bench.models import BACKBONES
from bench.network import backbone_network, compress, context_of, prepare

KNOBS: dict[str, dict[str, Any]] = {
    "dense": {},
    "csr_conv": {"T": 2},
    "psconv": {"variant": "pSC4"},
    "filter_l1": {"ratio": 0.3},
}


def rewrite(name: str, seed: int, network_seed: int = 0) -> dict[str, torch.Tensor]:
    backbone = BACKBONES.get("resnet20")
    context = Context(seed, backbone.input, backbone.keep_first, backbone.fixed_width)
    network = METHODS.get(name).rewrite(backbone.network(seed=network_seed), context, KNOBS[name]).network
    return network.state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[n]) for n, tensor in one.items())


def csr_then(*calls: MethodCall, backbone: str = "resnet20", **fields: Any) -> Case:
    return Case(backbone, calls, **fields)


@pytest.fixture
def added() -> Iterator[list[str]]:
    """Names that a test adds to the registry; they are taken out again."""
    names: list[str] = []
    METHODS.names()  # so that every entry is there before the first is added
    yield names
    for name in names:
        METHODS._entries.pop(name, None)


def test_every_method_has_knobs_for_these_tests() -> None:
    assert set(METHODS.names()) >= set(KNOBS)


@pytest.mark.parametrize("name", KNOBS)
def test_the_same_seed_gives_the_same_weights(name: str) -> None:
    torch.manual_seed(1)
    one = rewrite(name, seed=7)
    torch.manual_seed(2)
    assert equal(one, rewrite(name, seed=7))


@pytest.mark.parametrize("name", ["csr_conv", "psconv"])
def test_another_seed_gives_other_weights(name: str) -> None:
    assert not equal(rewrite(name, seed=7), rewrite(name, seed=8))


@pytest.mark.parametrize("name", KNOBS)
def test_the_global_random_state_is_left_alone(name: str) -> None:
    torch.manual_seed(123)
    state = torch.get_rng_state()
    rewrite(name, seed=7)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_global_random_state_is_restored_when_a_method_fails() -> None:
    def fail(network: nn.Module, context: Context) -> Rewritten:
        torch.randn(3)
        raise RuntimeError("no")

    network = nn.Linear(1, 1)
    torch.manual_seed(123)
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="no"):
        Method("fail", fail, None, None, "", {}).rewrite(network, Context(), {})
    assert torch.equal(torch.get_rng_state(), state)


def test_the_result_is_in_eval_mode() -> None:
    def train(network: nn.Module, context: Context) -> Rewritten:
        return Rewritten(network.train(), (Replaced("a", "b", "c"),))

    rewritten = Method("train", train, None, None, "", {}).rewrite(nn.Dropout(), Context(), {})
    assert not rewritten.network.training


def drawing(recipes: list[Any]) -> Method:
    """A method that draws a number in ``prepare`` and another in ``apply``; it notes recipe and number."""

    def prepare(network: nn.Module, context: Context) -> float:
        return torch.rand(1).item()

    def apply(network: nn.Module, context: Context) -> Rewritten:
        recipes.append((context.recipe, torch.rand(1).item()))
        return Rewritten(network, (Replaced("a", "b", "c"),))

    return Method("drawing", apply, prepare, None, "", {})


def test_a_method_finds_the_recipe_of_its_own_prepare_where_none_is_handed_in() -> None:
    seen: list[Any] = []
    own, network, context = drawing(seen), nn.Linear(1, 1), Context(seed=5)
    torch.manual_seed(1)
    own.rewrite(network, context, {})
    torch.manual_seed(2)
    recipe = own.recipe(network, context, {})
    own.rewrite(network, replace(context, recipe=recipe), {})
    assert seen[0] == seen[1]  # also what apply draws: preparing first changes nothing
    own.rewrite(network, replace(context, recipe=0.25), {})
    assert seen[2] == (0.25, seen[0][1])


def test_a_method_without_prepare_has_no_recipe() -> None:
    assert METHODS.get("csr_conv").recipe(nn.Linear(1, 1), Context(), {"T": 2}) is None


def test_dense_changes_nothing() -> None:
    assert equal(rewrite("dense", seed=5), BACKBONES.get("resnet20").network().state_dict())


def test_the_decorator_reads_knobs_types_and_summary(added: list[str]) -> None:
    added.append("for_this_test")

    @method("for_this_test")
    def for_this_test(network: nn.Module, context: Context, *, rank: int, keep: bool = True) -> Rewritten:
        """One line to show.

        More that is not shown.
        """
        return Rewritten(network)

    entry = METHODS.get("for_this_test")
    assert entry.summary == "One line to show."
    assert {name: knob.annotation for name, knob in entry.knobs.items()} == {"rank": int, "keep": bool}
    assert entry.knobs["keep"].default is True
    with pytest.raises(ValueError, match="for_this_test: nothing to replace"):
        entry.rewrite(nn.Linear(1, 1), Context(), {"rank": 1})
    with pytest.raises(ValueError, match="'for_this_test' is registered twice"):
        method("for_this_test")(for_this_test)


def test_the_example_input_depends_on_seed_and_shape_alone() -> None:
    torch.manual_seed(0)
    one = Context(seed=4, input=(2, 5, 6)).example_input(3)
    torch.manual_seed(1)
    assert torch.equal(one, Context(seed=4, input=(2, 5, 6)).example_input(3))
    assert one.shape == (3, 2, 5, 6)
    assert not torch.equal(one, Context(seed=5, input=(2, 5, 6)).example_input(3))


def test_a_context_takes_everything_from_the_case_and_its_backbone() -> None:
    context = context_of(csr_then(*DENSE, input=(3, 16, 16), seed=9), recipe={"a": 1})
    assert context == Context(9, (3, 16, 16), True, ("conv1", "*.conv2"), {"a": 1})


@pytest.mark.parametrize(
    "calls",
    [
        (MethodCall("dense"),),
        (MethodCall("csr_conv", {"T": 2}),),
        (MethodCall("filter_l1", {"ratio": 0.3}),),
        (MethodCall("psconv", {"variant": "pSC4"}), MethodCall("filter_l1", {"ratio": 0.5})),
        (MethodCall("filter_l1", {"ratio": 0.5}), MethodCall("csr_conv", {"T": 2})),
        (MethodCall("filter_l1", {"ratio": 0.5}), MethodCall("psconv", {"variant": "PSD4_P8"})),
    ],
    ids=lambda calls: "+".join(call.name for call in calls),
)
def test_recipes_carried_as_json_give_the_prepared_network_again(calls: tuple[MethodCall, ...]) -> None:
    case = Case("resnet20", calls, seed=3)
    prepared, recipes = prepare(case)
    assert len(recipes) == len(calls)
    again = compress(backbone_network(case), case, json.loads(json.dumps(recipes)))
    assert equal(prepared.network.state_dict(), again.network.state_dict())
    assert prepared.replaced == again.replaced
    assert prepared.left == again.left
    x = context_of(case).example_input(2)
    with torch.no_grad():
        assert torch.equal(prepared.network(x), again.network(x))
    assert count(prepared.network, x[:1]).disagreements == ()


def test_a_recipe_too_few_is_an_error() -> None:
    case = Case("resnet20", (MethodCall("dense"), MethodCall("csr_conv", {"T": 2})))
    with pytest.raises(ValueError, match="shorter"):
        compress(backbone_network(case), case, [None])


def test_the_backbone_of_a_case_has_its_classes_and_seed() -> None:
    case = Case("resnet20", DENSE, classes=7, seed=2)
    network = backbone_network(case)
    assert network.get_submodule("fc").out_features == 7
    assert equal(network.state_dict(), BACKBONES.get("resnet20").network(7, 2).state_dict())
