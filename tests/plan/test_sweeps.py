"""Suites as sweeps: parts with lists and rules of their own, whose cases are one suite's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mistakes import assert_named

from bench.plan.axes import AXES, Sweep
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import Measure, Suite, load_suite

Write = Callable[[str], Path]


def plan_of(file: Path) -> Plan:
    return make_plan(load_suite(file))


def short(plan: Plan) -> list[str]:
    """``backbone/method`` of the cases."""
    return ["/".join(case.id.split("/")[:2]) for case in plan.cases]


TWO = """\
name: s
batches: [1, 8]
sweeps:
  - {for: over T, backbones: [resnet20, resnet32], methods: [dense, csr_conv: {T: [2, 4]}], batches: [1]}
  - {backbones: [resnet20], methods: [csr_conv: {T: 4}, int8]}
"""


def test_cases_are_the_union_each_once_in_the_order_of_the_file(suite_file: Write) -> None:
    plan = plan_of(suite_file(TWO))
    assert [case.id.removesuffix("/3x32x32").replace("/eager/cpu", "") for case in plan.cases] == [
        "resnet20/dense/b1",
        "resnet20/csr_conv(T=2)/b1",
        "resnet20/csr_conv(T=4)/b1",
        "resnet32/dense/b1",
        "resnet32/csr_conv(T=2)/b1",
        "resnet32/csr_conv(T=4)/b1",
        "resnet20/csr_conv(T=4)/b8",
        "resnet20/int8/b1",
        "resnet20/int8/b8",
    ]
    assert [(sweep.name, len(sweep.cases)) for sweep in plan.sweeps] == [("over T", 6), ("sweep 2", 4)]


def test_a_sweep_leaves_to_the_top_what_it_does_not_say(suite_file: Write) -> None:
    text = (
        "name: s\nbackbones: [resnet20]\nmethods: [dense]\nthreads: [2]\nsweeps:\n"
        "  - {for: a}\n  - {for: b, methods: [int8]}\n  - {for: c, backbones: [resnet32], threads: [1]}\n"
    )
    plan = plan_of(suite_file(text))
    assert short(plan) == ["resnet20/dense", "resnet20/int8", "resnet32/dense"]
    assert [case.threads for case in plan.cases] == [2, 2, 1]


def test_every_axis_of_a_suite_is_one_of_a_sweep() -> None:
    assert set(Sweep.model_fields) == {*AXES, "for_", "measure"}
    others = {"name", "description", "sweeps", "include", "exclude", "measure", "plugins"}
    assert set(Suite.model_fields) - others == set(AXES)


def test_include_and_exclude_trim_all_sweeps(suite_file: Write) -> None:
    text = TWO + "exclude: [{method: int8, batch: 8, because: it takes long}, '*T=2*']\n"
    plan = plan_of(suite_file(text))
    assert len(plan.cases) == 6
    assert {(left_out.because, left_out.cases) for left_out in plan.left_out} == {
        ("it takes long", 1),
        ("*T=2*", 2),
    }


MEASURES = """\
name: s
methods: [dense, csr_conv: {T: 2}]
measure: {rounds: 5, passes: 8}
sweeps:
  - {for: a, backbones: [resnet20]}
  - {for: b, backbones: [resnet32], measure: {rounds: 3}}
"""


def test_a_sweep_is_measured_by_its_own_rules(suite_file: Write) -> None:
    plan = plan_of(suite_file(MEASURES))
    assert [plan.measure_of(case).rounds for case in plan.cases] == [5, 5, 3, 3]
    assert {plan.measure_of(case).passes for case in plan.cases} == {8}
    assert (plan.trials, plan.rounds_in_words) == (16, "3 to 5 rounds")
    assert [len(cases) for _, cases in plan.alike(plan.cases)] == [2, 2]


def test_the_command_lines_numbers_stand_for_all_sweeps(suite_file: Write) -> None:
    plan = make_plan(load_suite(suite_file(MEASURES)), rounds=7)
    assert {plan.measure_of(case).rounds for case in plan.cases} == {7}
    quick = make_plan(load_suite(suite_file(MEASURES)), quick=True)
    assert {quick.measure_of(case).rounds for case in quick.cases} == {2}


def test_a_runs_digest_knows_the_rules_of_each_sweep(suite_file: Write) -> None:
    before = plan_of(suite_file(MEASURES)).digest()
    assert plan_of(suite_file(MEASURES.replace("passes: 8", "passes: 8 "))).digest() == before
    assert plan_of(suite_file(MEASURES.replace("{rounds: 3}", "{rounds: 4}"))).digest() != before


def test_only_trims_the_sweeps_too(suite_file: Write) -> None:
    plan = make_plan(load_suite(suite_file(TWO)), only="int8*b1")
    assert [sweep.cases for sweep in plan.sweeps] == [
        ("resnet20/dense/eager/cpu/b1/3x32x32",),
        ("resnet20/int8/eager/cpu/b1/3x32x32",),
    ]


HEAD = "name: s\nsweeps:\n"
MISTAKES: dict[str, tuple[str, int, str]] = {
    "two rules for one case": (
        HEAD
        + "  - {for: a, backbones: [resnet20], methods: [dense]}\n"
        + "  - {for: b, backbones: ['resnet2*'], methods: [dense], measure: {rounds: 3}}\n",
        4,
        "sweeps 'a' and 'b' ask for resnet20/dense/eager/cpu/b1/3x32x32 with different `measure`: give both",
    ),
    "a baseline by other rules": (
        HEAD
        + "  - {for: a, backbones: [resnet20], methods: [dense]}\n"
        + "  - backbones: [resnet20]\n    methods: [int8]\n    measure: {rounds: 3}\n",
        6,
        "sweeps 'a' and 'sweep 2' measure resnet20/dense/eager/cpu/b1/3x32x32 and resnet20/int8",
    ),
    "no backbones anywhere": (
        HEAD + "  - {methods: [dense]}\n",
        3,
        "the key 'backbones' is missing, here and at the file's top",
    ),
    "no methods anywhere": (HEAD + "  - {backbones: [resnet20]}\n", 3, "the key 'methods' is missing, here"),
    "no sweeps": (HEAD.replace("\n", " []\n", 2).replace(" []", "", 1), 2, "sweeps: the list is empty"),
    "a misspelt axis": (
        HEAD + "  - backbones: [resnet20]\n    method: [dense]\n",
        4,
        "unknown key 'method'; did you mean 'methods'?",
    ),
    "a misspelt name": (HEAD + "  - {fro: a, backbones: [resnet20]}\n", 3, "unknown key 'fro'"),
    "a misspelt method of the second sweep": (
        HEAD
        + "  - {backbones: [resnet20], methods: [dense]}\n"
        + "  - backbones: [resnet20]\n    methods:\n      - densee\n",
        6,
        "unknown method 'densee'; did you mean 'dense'?",
    ),
    "a misspelt knob": (
        HEAD + "  - backbones: [resnet20]\n    methods:\n      - csr_conv: {t: 3}\n",
        5,
        "has no knob 't'",
    ),
    "a misspelt key of its measure": (
        HEAD + "  - backbones: [resnet20]\n    methods: [dense]\n    measure: {round: 3}\n",
        5,
        "unknown key 'round'; did you mean 'rounds'?",
    ),
    "a number of its measure": (
        HEAD + "  - backbones: [resnet20]\n    methods: [dense]\n    measure: {rounds: none}\n",
        5,
        "rounds: must be a valid integer, not 'none'",
    ),
    "minimum above maximum together": (
        "name: s\nmeasure: {max_seconds: 1.0}\nsweeps:\n"
        "  - backbones: [resnet20]\n    methods: [dense]\n    measure: {min_seconds: 1.5}\n",
        6,
        "min_seconds 1.5 is above max_seconds 1",
    ),
    "one name twice": (
        HEAD + "  - {for: a, backbones: [resnet20], methods: [dense]}\n" * 2,
        4,
        "two sweeps are called 'a'",
    ),
    "targets that contradict each other": (
        HEAD
        + "  - {backbones: [resnet20], methods: [dense], targets: {pi: {launch: ssh pi}}}\n"
        + "  - {backbones: [resnet32], methods: [dense], targets: {pi: {launch: ssh pj}}}\n",
        4,
        "two different targets are called 'pi'",
    ),
    "an unknown runtime": (
        HEAD + "  - {backbones: [resnet20], methods: [dense], runtimes: [eagr]}\n",
        3,
        "did you mean 'eager'?",
    ),
    "a condition without one": (
        "name: s\nbackbones: [resnet20]\nmethods: [dense]\nexclude:\n  - {because: why}\n",
        5,
        "a condition needs something beside `because`",
    ),
    "a misspelt condition": (
        "name: s\nbackbones: [resnet20]\nmethods: [dense]\nexclude:\n  - {backbon: a}\n",
        5,
        "unknown key 'backbon'; did you mean 'backbone'?",
    ),
    "a condition of the wrong type": (
        "name: s\nbackbones: [resnet20]\nmethods: [dense]\nexclude:\n  - {batch: one}\n",
        5,
        "exclude.0.batch: ",
    ),
    "too many cases together": (
        HEAD
        + "".join(
            f"  - {{backbones: [{name}], methods: [dense], seeds: {list(range(300))}, "
            f"batches: {list(range(1, 201))}}}\n"
            for name in ("resnet20", "resnet32")
        ),
        1,
        "the lists multiply to 120,000 cases",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(suite_file: Write, mistake: str) -> None:
    text, line, words = MISTAKES[mistake]
    file = suite_file(text)
    assert_named(lambda: plan_of(file), file, line, words)


BACKBONES = st.lists(st.sampled_from(["resnet20", "resnet32", "vgg16_bn"]), min_size=1, max_size=3)
METHODS = st.lists(st.sampled_from(["dense", "int8", "lean_conv"]), min_size=1, max_size=3)
BATCHES = st.lists(st.integers(1, 3), min_size=1, max_size=2)


@given(st.lists(st.tuples(BACKBONES, METHODS, BATCHES), min_size=1, max_size=4))
def test_a_suite_of_sweeps_has_the_cases_of_as_many_suites(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[list[str], list[str], list[int]]]
) -> None:
    keys = ("backbones", "methods", "batches")
    sweeps = [dict(zip(keys, part, strict=True)) for part in parts]
    file = tmp_path_factory.getbasetemp() / "sweeps.yaml"

    def ids(data: dict[str, object]) -> list[str]:
        file.write_text(yaml.safe_dump({"name": "s", **data}), encoding="utf-8")
        return [case.id for case in plan_of(file).cases]

    apart = [id_ for sweep in sweeps for id_ in ids({**sweep})]
    assert ids({"sweeps": sweeps}) == list(dict.fromkeys(apart))


def test_the_usual_measure_is_the_same_with_sweeps(suite_file: Write) -> None:
    plan = plan_of(suite_file(TWO))
    assert plan.measure == Measure()
    assert plan.measures == {}
