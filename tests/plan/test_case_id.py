"""A case id reads back as the case it names."""

from __future__ import annotations

import pytest

from bench.case import Case, MethodCall
from bench.errors import InputError
from bench.plan.case_id import parse_case_id

CSR = MethodCall("csr_conv", {"T": 4})


@pytest.mark.parametrize(
    "case",
    [
        Case("resnet56", (CSR,)),
        Case("resnet56", (MethodCall("dense"),), batch=8, threads=2, seed=3, classes=100),
        Case("torchvision/resnet50", (CSR,), input=(3, 64, 64), memory_format="channels_last"),
        Case("mobilenet_v2_csr", (MethodCall("csr_conv", {"T": {"expand": 3, "project": 4}}),)),
        Case("resnet20", (CSR, MethodCall("psconv", {"variant": "pSC4"})), "compile", "cuda"),
        Case("resnet20", (MethodCall("csr_conv", {"T": 2, "skip": ("layer1*", "fc")}),)),
        Case("layer/64-128-k3-s2", (CSR,), input=(64, 16, 16)),
    ],
    ids=lambda case: case.id,
)
def test_an_id_reads_back(case: Case) -> None:
    assert parse_case_id(case.id) == case


def test_the_beginning_is_enough() -> None:
    assert parse_case_id("resnet56/csr_conv(T=4)") == Case("resnet56", (CSR,))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("resnet56", "is no case"),
        ("resnet56/nothing", "is no case"),
        ("resnet5/dense", "did you mean"),
        ("resnet56/csr_conv", "needs the knob T"),
        ("resnet56/csr_conv(T=0)", "at least 1"),
        ("resnet56/dense/eagr", "no part of a case id"),
    ],
)
def test_what_names_no_case_is_refused_in_words(text: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        parse_case_id(text)
