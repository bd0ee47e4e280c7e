"""What knobs take, as `bench list knobs` shows it: asked of the methods' own checks."""

from __future__ import annotations

import pytest

from bench.errors import InputError
from bench.plan.declared import DECLARED_METHODS
from bench.plan.knobs import check_call
from bench.plan.ranges import KnobFact, example_call, example_label, example_line, knob_facts


def fact(method: str, knob: str) -> KnobFact:
    (found,) = [fact for fact in knob_facts(method) if fact.name == knob]
    return found


@pytest.mark.parametrize(
    ("method", "knob", "values"),
    [
        ("csr_conv", "T", "1 or more"),
        ("ghost", "ratio", "2 or more"),
        ("ghost", "dw", "1 or more, odd"),
        ("codebook", "kernels", "1 to 32768"),
        ("codebook", "sweeps", "0 or more"),
        ("magnitude", "density", "above 0, at most 1"),
        ("filter_l1", "ratio", "above 0, below 1"),
        ("early_exit", "threshold", "at least 0, at most 1"),
        ("penni", "prune", "at least 0"),
        ("ghost", "relu", "true, false"),
        ("int8", "scheme", "static, weight_only"),
        ("magnitude", "scope", "global, layer"),
        ("psconv", "form", "masked, executed, fused"),
        ("csr_conv", "skip", ""),
        ("csr_conv", "blocks", ""),
    ],
)
def test_the_range_is_what_the_check_accepts(method: str, knob: str, values: str) -> None:
    assert fact(method, knob).values == values


def test_a_knob_of_which_exactly_one_is_wanted_is_tried_alone() -> None:
    assert [fact("svd", knob).values for knob in ("rank", "ratio", "energy")] == [
        "1 or more",
        "above 0, at most 1",
        "above 0, at most 1",
    ]


def test_usual_values_and_what_the_docstring_says() -> None:
    assert fact("csr_conv", "T").usual == "needed"
    assert fact("csr_conv", "order").usual == "batched"
    assert fact("ghost", "relu").usual == "false"
    assert fact("csr_conv", "skip").usual == "–"
    assert fact("ghost", "dw").about.startswith("side of the depthwise kernel")


@pytest.mark.parametrize("method", DECLARED_METHODS.shipped())
def test_every_method_has_an_example_that_it_accepts(method: str) -> None:
    call = example_call(method)
    assert check_call(method, call.knobs) == call
    assert example_label(method) == call.label
    assert [fact.name for fact in knob_facts(method)] == list(DECLARED_METHODS.get(method).knobs)


def test_an_example_as_a_suite_and_as_an_id_have_it() -> None:
    assert example_line("magnitude") == "magnitude: {density: 0.25}"
    assert example_label("magnitude") == "magnitude(density=0.25)"
    assert example_line("lean_conv") == "lean_conv"


def test_an_unknown_method_is_told_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'csr_conv'"):
        knob_facts("csr_cnv")
