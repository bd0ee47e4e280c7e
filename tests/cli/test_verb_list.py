"""bench list: every kind, for a person, for a pipe and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

EXPECTED = {
    "backbones": {"resnet20", "resnet56", "vgg16_bn", "mobilenet_v2"},
    "methods": {"dense", "csr_conv", "psconv", "filter_l1"},
    "runtimes": {"eager", "compile"},
    "targets": {"cpu", "gpu"},
    "suites": {"smoke", "cifar", "imagenet"},
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_pipe_gets_name_tab_summary(bench: Callable[..., Any], kind: str) -> None:
    said = bench("list", kind)
    assert said.code == 0
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert all(len(row) == 2 and row[1] for row in rows)
    assert EXPECTED[kind] <= {row[0] for row in rows}
    assert "\x1b" not in said.out + said.err


@pytest.mark.parametrize("kind", EXPECTED)
def test_machines_get_the_same_names(bench: Callable[..., Any], kind: str) -> None:
    said = bench("list", kind, "--json")
    names = [row["name"] for row in json.loads(said.out)]
    assert names == [line.split("\t")[0] for line in bench("list", kind).out.splitlines()]
    assert said.err == ""


def test_a_glob_leaves_out(bench: Callable[..., Any]) -> None:
    assert [line.split("\t")[0] for line in bench("list", "backbones", "resnet[23]*").out.splitlines()] == [
        "resnet20",
        "resnet32",
    ]
    assert bench("list", "targets", "c*a").out.startswith("cuda\t")
    assert bench("list", "methods", "nothing*").out == ""


def test_a_family_is_listed_behind_its_prefix(bench: Callable[..., Any]) -> None:
    assert bench("list", "backbones", "layer/*").out.count("\n") == 3
    assert bench("list", "backbones", "torchvision/resnet1*").out.startswith("torchvision/resnet101\t")
    assert "torchvision/*" in bench("list", "backbones").err


def test_methods_show_their_knobs(bench: Callable[..., Any]) -> None:
    assert "[T, skip, blocks, order, depthwise]" in bench("list", "methods", "csr_conv").out


def test_names_of_columns_on_request(bench: Callable[..., Any]) -> None:
    assert bench("list", "targets", "--header").out.splitlines()[0] == "name\tsummary"


def test_suites_with_their_descriptions(bench: Callable[..., Any]) -> None:
    (line,) = bench("list", "suites", "smoke").out.splitlines()
    assert line == "smoke\tA first look that fits in half a minute, one network and its compressed forms."


def test_knobs_with_ranges_and_usual_values(bench: Callable[..., Any]) -> None:
    said = bench("list", "knobs", "ghost", "--header")
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert rows[0] == ["name", "takes", "usual", "values", "about"]
    assert rows[1][:4] == ["ratio", "a whole number", "2", "2 or more"]
    assert said.err == "in a suite: ghost\n"
    assert json.loads(bench("list", "knobs", "csr_conv", "--json").out)[0]["usual"] == "needed"


def test_knobs_of_nothing_or_of_an_unknown_method_are_code_2(bench: Callable[..., Any]) -> None:
    said = bench("list", "knobs")
    assert (said.code, said.out) == (2, "")
    assert "bench list knobs csr_conv" in said.err
    assert "did you mean 'csr_conv'" in bench("list", "knobs", "csr_cnv").err
    assert bench("list", "knobs", "dense").err == "dense has no knobs\n"
