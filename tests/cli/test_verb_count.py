"""bench count: the papers' numbers, every layer for machines, wrong words named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_counts_for_machines(bench: Callable[..., Any]) -> None:
    said = bench("count", "resnet56", "csr_conv", "T=4", "--json")
    assert (said.code, said.err) == (0, "")
    counts = json.loads(said.out)
    assert counts["params"] == counts["logical_params"] == 112_678
    assert counts["macs"] == counts["executed_macs"] == 55_591_552
    assert counts["flops"] == 2 * 55_591_552
    assert set(counts["witnesses"].values()) == {55_591_552}
    assert {"closed_form", "fvcore", "torch"} == set(counts["witnesses"])
    assert counts["disagreements"] == []
    assert sum(layer["macs"] for layer in counts["layers"]) == counts["macs"]
    assert {"name", "kind", "params", "macs", "executed_macs"} <= set(counts["layers"][0])
    assert len(counts["replaced"]) == 54
    assert [layer["name"] for layer in counts["left"]] == ["conv1"]


def test_counts_for_a_person(bench: Callable[..., Any]) -> None:
    said = bench("count", "layer/4-4-k3", "psconv", "variant=pSC4", "--input", "8x8")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "layer/4-4-k3 psconv(variant=pSC4) 4x8x8"
    values = {
        line[:32].strip(): line[32:].strip() for line in lines[1:] if line.startswith("  ") and "," in line
    }
    assert "parameters, stored" in said.out
    assert "MACs, executed" in said.out
    assert "4,096" in said.out  # 4/9 of 9,216
    assert "9,216" in said.out
    assert values
    assert "\x1b" not in said.out


def test_classes_and_input_change_the_counts(bench: Callable[..., Any]) -> None:
    words = ("count", "resnet20", "dense", "--json")
    own = json.loads(bench(*words).out)
    more = json.loads(bench(*words, "--classes", "100", "--input", "64x64").out)
    assert more["params"] - own["params"] == 90 * 65
    assert more["macs"] > 3.9 * own["macs"]


def test_a_knob_is_written_in_yaml(bench: Callable[..., Any]) -> None:
    said = bench("count", "mobilenet_v2_csr", "csr_conv", "T={expand: 3, project: 4}")
    assert said.code == 0
    assert said.out.startswith("mobilenet_v2_csr csr_conv(T=expand:3+project:4) 3x32x32")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("resnet56", "csr_conv", "T=0"), "method csr_conv: T=0: the number of steps must be at least 1"),
        (("resnet56", "csr_conv", "T=x"), "method csr_conv: knob T takes a whole number"),
        (("resnet56", "csr_conv", "t=4"), "method csr_conv has no knob 't'; did you mean 'T'?"),
        (("resnet56", "csr_conv"), "method csr_conv needs the knob T"),
        (("resnet56", "csr_conv", "T"), "'T' is no knob; write KNOB=VALUE, for example T=4"),
        (("resnet56", "csr_conv", "=4"), "'=4' is no knob"),
        (("resnet56", "csr_conv", "T={"), "knob T: '{' is no YAML value"),
        (("resnet56", "csr_conv", "T=2", "T=4"), "knob 'T' is given twice"),
        (("resnet56", "csr_conv", "T=" + "9" * 5000), "knob T: '999"),
        (("resnet56", "csr_conv", "T=0x" + "f" * 5000), "knob T: '0xff"),
        (("resnet56", "csr_conv", "T=" + "[" * 5000), "knob T: '[[["),
        (("resnet56", "csr_conv", "T=[[["), "knob T: '[[[' is no YAML value"),
        (("resnet56", "csr_conv", "T=2026-13-45"), "knob T: '2026-13-45' is no YAML value"),
        (("resnet56", "csr_conv", "T=&a [*a]"), "knob T: '&a [*a]' is no YAML value"),
        (("resnt56", "dense"), "unknown backbone 'resnt56'; did you mean 'resnet56'?"),
        (("resnet56", "densee"), "unknown method 'densee'; did you mean 'dense'?"),
        (("resnet56", "dense", "--input", "3x"), "input '3x' is no shape; 3x32x32 is one"),
        (("resnet56", "dense", "--plugin", "no.py"), "plugin 'no.py' is not a Python file"),
    ],
)
def test_wrong_words_are_one_line_and_code_2(
    bench: Callable[..., Any], words: tuple[str, ...], message: str
) -> None:
    said = bench("count", *words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"bench: {message}")
    assert len(said.err.splitlines()) == 1
    assert len(said.err) < 300


def test_a_method_that_cannot_be_applied_is_code_3(bench: Callable[..., Any]) -> None:
    said = bench("count", "layer/4-4-k1", "psconv", "variant=pSC4")
    assert said.code == 3
    assert "nothing to replace" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_method_of_ones_own_is_counted(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from bench.methods.parts.method import Replaced, Rewritten, method\n"
        "@method('own_for_count')\n"
        "def own(network, context, *, n: int = 1):\n"
        "    '''Nothing.'''\n"
        "    return Rewritten(network, (Replaced('conv', 'a', 'b'),))\n"
    )
    said = bench("count", "layer/4-4-k3", "own_for_count", "n=3", "--plugin", "own.py", "--json")
    assert said.code == 0
    assert json.loads(said.out)["replaced"] == [{"name": "conv", "before": "a", "after": "b"}]
