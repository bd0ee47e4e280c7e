"""A case id reads back as the case it names."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.case import DTYPES, Case, MethodCall
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
        Case("resnet56", (MethodCall("csr_conv", {"T": 2, "blocks": "5"}),)),
        Case("resnet56", (MethodCall("magnitude", {"density": 1e-05}),)),
        Case("resnet56", (CSR,), dtype="bfloat16"),
    ],
    ids=lambda case: case.id,
)
def test_an_id_reads_back(case: Case) -> None:
    assert parse_case_id(case.id) == case


@given(
    st.builds(
        Case,
        st.sampled_from(["resnet56", "vgg16_bn", "layer/64-128-k3-s2"]),
        st.sampled_from([(CSR,), (MethodCall("dense"),), (CSR, MethodCall("psconv", {"variant": "pSC4"}))]),
        runtime=st.sampled_from(["eager", "compile", "cuda_graph"]),
        target=st.sampled_from(["cpu", "gpu"]),
        batch=st.integers(1, 4096),
        input=st.sampled_from([(3, 32, 32), (64, 16, 16)]),
        seed=st.integers(0, 10**9),
        threads=st.integers(1, 64),
        memory_format=st.sampled_from(["contiguous", "channels_last"]),
        classes=st.none() | st.integers(1, 1000),
        dtype=st.sampled_from(DTYPES),
    )
)
def test_any_case_reads_back_from_its_id(case: Case) -> None:
    back = parse_case_id(case.id)
    assert back == case
    assert back.id == case.id


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
        ("resnet56/dense/b1/b2", "gives batch twice"),
        ("resnet56/dense/bfloat16/float16", "gives dtype twice"),
        ("resnet56/dense/float8", "no part of a case id"),
        ("resnet56/dense/b0", "no part of a case id"),
        ("resnet56/dense/b" + "9" * 3000, "no part of a case id"),
        ("resnet56/dense/3x0x3", "is no shape"),
        ("resnet56/csr_conv(T=", "is no method|needs the knob"),
        ("resnet56/csr_conv(T=2,T=4)", "knob 'T' is given twice"),
        ("resnet56/csr_conv(T=[)", "knob T: '\\[' is no YAML value"),
        (f"resnet56/csr_conv(T={'[' * 3000})", "nesting is too deep"),
        (f"resnet56/csr_conv(T={'9' * 3000})", "a number above"),
        (f"resnet56/csr_conv(T={'9' * 5000})", "too long for a case id"),
        ("resnet56/csr_conv(T=2026-13-45)", "month must be in 1..12"),
        ("resnet56/csr_conv(T=!!timestamp x)", "is no YAML value"),
        ("resnet56/csr_conv(T=a:[)", "is no YAML value"),
    ],
)
def test_what_names_no_case_is_refused_in_words(text: str, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        parse_case_id(text)
    assert len(str(caught.value)) < 500


@given(st.text(alphabet="T=,+()[]{}:/.-!&*|>'\"0123456789eabx_", max_size=40))
def test_any_text_behind_a_backbone_is_read_or_refused_in_words(text: str) -> None:
    for whole in (f"resnet56/csr_conv({text})", f"resnet56/dense/{text}", text):
        with contextlib.suppress(InputError):
            parse_case_id(whole)
