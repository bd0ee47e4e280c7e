"""Knobs: typed by the method's signature, named with the nearest valid word, multiplied when listed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from bench.errors import InputError
from bench.methods import METHODS, Method
from bench.methods.parts.method import Rewritten
from bench.plan.knobs import MAX_CALLS, check_call, example, expand_knobs, parse_knob_words


def test_a_call_keeps_its_knobs() -> None:
    call = check_call("csr_conv", {"T": 4})
    assert (call.name, dict(call.knobs), call.label) == ("csr_conv", {"T": 4}, "csr_conv(T=4)")


def test_a_knob_may_be_a_mapping() -> None:
    call = check_call("csr_conv", {"T": {"expand": 3, "project": 4}})
    assert call.label == "csr_conv(T=expand:3+project:4)"


def test_the_order_of_knobs_does_not_change_the_label() -> None:
    written = check_call("csr_conv", {"order": "literal", "T": 2})
    assert written.label == check_call("csr_conv", {"T": 2, "order": "literal"}).label


@pytest.mark.parametrize(
    ("name", "knobs", "words"),
    [
        ("csr_cnv", {"T": 4}, "unknown method 'csr_cnv'; did you mean 'csr_conv'?"),
        ("csr_conv", {"t": 4}, "method csr_conv has no knob 't'; did you mean 'T'?"),
        ("csr_conv", {"T": 4, "ordr": "x"}, "has no knob 'ordr'; did you mean 'order'?"),
        ("dense", {"T": 4}, "method dense has no knob 'T'; it has none"),
        ("csr_conv", {}, "method csr_conv needs the knob T, for example csr_conv: {T: …}"),
        ("csr_conv", {"T": 0}, "method csr_conv: T=0: the number of steps must be at least 1"),
        ("csr_conv", {"T": -1}, "the number of steps must be at least 1"),
        ("csr_conv", {"T": "four"}, "knob T takes a whole number or a mapping like"),
        ("csr_conv", {"T": 4.5}, "not 4.5"),
        ("csr_conv", {"T": True}, "not True"),
        ("csr_conv", {"T": None}, "not None"),
        ("csr_conv", {"T": {"expand": 0, "project": 4}}, "must be at least 1"),
        ("csr_conv", {"T": {"expnd": 2, "project": 4}}, "expand: …, project: …"),
        ("filter_l1", {"ratio": 1.0}, "between 0 and 1"),
        ("filter_l1", {"ratio": float("nan")}, "between 0 and 1"),
        ("filter_l1", {"ratio": "half"}, "knob ratio takes a number, not 'half'"),
        ("psconv", {"variant": "pSC3"}, "variant 'pSC3' is not known"),
        ("psconv", {"variant": 4}, "knob variant takes a word, not 4"),
        ("psconv", {"variant": "pSC4", "skip": "conv1"}, "knob skip takes a list of words, not 'conv1'"),
    ],
)
def test_a_wrong_call_is_named(name: str, knobs: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        check_call(name, knobs)
    assert words in str(caught.value)


def test_a_wrong_list_is_shown_as_it_was_written() -> None:
    with pytest.raises(InputError, match=r"knob skip takes a list of words, not \['a', 3\]"):
        check_call("psconv", {"variant": "pSC4", "skip": ["a", 3]})


def test_a_list_multiplies() -> None:
    assert list(expand_knobs("csr_conv", {"T": [2, 4], "order": ["literal", "batched"]})) == [
        {"T": 2, "order": "literal"},
        {"T": 2, "order": "batched"},
        {"T": 4, "order": "literal"},
        {"T": 4, "order": "batched"},
    ]


def test_a_knob_that_takes_a_list_does_not_multiply() -> None:
    knobs = {"variant": "pSC4", "skip": ["conv1", "layer1.*"]}
    assert list(expand_knobs("psconv", knobs)) == [knobs]
    assert check_call("psconv", knobs).knobs["skip"] == ("conv1", "layer1.*")


def test_a_list_of_lists_multiplies_a_knob_that_takes_a_list() -> None:
    values = list(expand_knobs("psconv", {"variant": "pSC4", "skip": [["conv1"], ["a", "b"]]}))
    assert [v["skip"] for v in values] == [["conv1"], ["a", "b"]]


def test_no_knobs_expand_to_one_call() -> None:
    assert list(expand_knobs("dense", {})) == [{}]


def test_an_empty_list_has_nothing_to_multiply() -> None:
    with pytest.raises(InputError, match="method csr_conv: the list of knob T is empty"):
        list(expand_knobs("csr_conv", {"T": []}))


def test_an_example_names_what_must_be_given() -> None:
    assert example("csr_conv") == "csr_conv: {T: …}"
    assert example("dense") == "dense"


def test_a_knob_annotated_as_list_takes_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(network: Any, context: Any, *, sizes: list[int]) -> Rewritten:
        return Rewritten(network)

    knobs = {"sizes": inspect.signature(apply, eval_str=True).parameters["sizes"]}
    METHODS.names()
    monkeypatch.setitem(METHODS._entries, "listed", Method("listed", apply, None, None, "", knobs))
    assert check_call("listed", {"sizes": [1, 2]}).label == "listed(sizes=1+2)"
    with pytest.raises(InputError, match="knob sizes takes a list of whole numbers"):
        check_call("listed", {"sizes": ["a"]})


def test_words_of_a_command_line_are_yaml() -> None:
    words = ["T={expand: 3, project: 4}", "skip=[fc, 'a=b']", "order=literal", "n="]
    assert parse_knob_words(words) == {
        "T": {"expand": 3, "project": 4},
        "skip": ["fc", "a=b"],
        "order": "literal",
        "n": None,
    }


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["T"], "'T' is no knob; write KNOB=VALUE, for example T=4"),
        (["=4"], "'=4' is no knob"),
        (["T=2", "T=4"], "knob 'T' is given twice"),
        (["T=["], "knob T: '[' is no YAML value: YAML syntax error: "),
        (["T=" + "[" * 5000], "is no YAML value: nesting is too deep"),
        (["T=" + "9" * 5000], "is no YAML value: Exceeds the limit"),
        (["T=99999999999999999999"], "is no YAML value: a number above"),
        (["T=2026-13-45"], "is no YAML value: month must be in 1..12"),
        (["T=!!bool x"], "is no YAML value: "),
        (["T=!!int ''"], "is no YAML value: "),
        (["T=!!timestamp x"], "is no YAML value: "),
        (['T="\\UFFFFFFFF"'], "is no YAML value: "),
        (["T={a: 1, a: 2}"], "is no YAML value: key 'a' stands twice in one mapping"),
    ],
)
def test_bug_odd_words_ended_in_a_traceback(words: list[str], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_knob_words(words)
    assert problem in str(caught.value)
    assert len(str(caught.value)) < 500


def test_lists_that_multiply_too_far_are_refused_before_they_do() -> None:
    many = list(range(1000))
    with pytest.raises(InputError, match=f"multiply to more than {MAX_CALLS:,} settings"):
        next(expand_knobs("ghost", {"ratio": many, "dw": many}))


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(InputError) as caught:
        check_call("csr_conv", {"T": "x" * 100_000})
    assert len(str(caught.value)) < 300
