"""Conditions of include and exclude: what a case must be, and the last word."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bench.case import Case, MethodCall
from bench.plan.trimming import Condition, Entry, Trim, in_words

CSR = Case("mobilenet_v2", (MethodCall("csr_conv", {"T": 4}),), batch=8)
CHAIN = Case("vgg16_bn", (MethodCall("csr_conv", {"T": 4}), MethodCall("int8", {})), runtime="compile")


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({"backbone": "mobilenet*"}, (True, False)),
        ({"backbone": ["resnet*", "vgg16_bn"]}, (False, True)),
        ({"method": "csr_conv"}, (True, True)),
        ({"method": "csr_conv(T=4)"}, (True, False)),
        ({"method": "int8"}, (False, True)),
        ({"method": "csr"}, (False, False)),
        ({"method": "csr_conv(T=?)*"}, (True, True)),
        ({"batch": 8}, (True, False)),
        ({"batch": [1, 8]}, (True, True)),
        ({"runtime": "compile", "method": "int8"}, (False, True)),
        ({"runtime": "compile", "batch": 8}, (False, False)),
        ({"input": "*x32x32", "seed": 0, "threads": 1, "memory_format": "contiguous"}, (True, True)),
        ({"target": "gpu"}, (False, False)),
        ({"dtype": "float32"}, (True, True)),
        ({"classes": 10}, (False, False)),
    ],
)
def test_all_that_is_given_must_fit(asked: dict[str, Any], fits: tuple[bool, bool]) -> None:
    condition = Condition(**asked, because="a reason")
    assert (condition.fits(CSR), condition.fits(CHAIN)) == fits


def test_of_each_list_the_last_that_fits_decides() -> None:
    mobile = Condition(backbone="mobilenet*", because="no supports")
    keep: list[tuple[tuple[Entry, ...], tuple[Entry, ...], bool]] = [
        ((), (), True),
        ((), (mobile,), False),
        ((), (mobile, "!*csr*"), True),
        ((), ("!*csr*", mobile), False),
        ((mobile,), (), True),
        ((Condition(backbone="vgg*"),), (), False),
        ((mobile, "!*b8*"), (), False),
    ]
    for include, exclude, kept in keep:
        assert Trim(include, exclude).keep(CSR) is kept, (include, exclude)
    assert Trim((), (mobile,)).dropped_by(CSR) is mobile


def test_the_reason_is_said_or_else_what_was_asked() -> None:
    assert in_words(Condition(backbone="a*", because="why")) == "why"
    assert in_words(Condition(backbone="a*", batch=[1, 2])) == "backbone a*, batch [1, 2]"
    assert in_words("*/b8/*") == "*/b8/*"


@pytest.mark.parametrize("asked", [{}, {"because": "x"}, {"backbone": []}, {"batch": "1"}, {"back": "x"}])
def test_a_condition_asks_for_something_that_there_is(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Condition(**asked)
