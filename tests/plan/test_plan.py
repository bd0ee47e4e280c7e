"""Plans: what a run will do, with baselines kept, and a digest of what a resumed run must share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import InputError
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite

Write = Callable[[str], Path]
SUITE = """\
name: s
backbones: [resnet20, resnet32]
methods: [dense, csr_conv: {T: [2, 4]}]
batches: [1, 8]
measure: {rounds: 3}
"""


@pytest.fixture
def planned(suite_file: Write) -> Callable[..., Plan]:
    def plan(text: str = SUITE, **options: Any) -> Plan:
        return make_plan(load_suite(suite_file(text)), **options)

    return plan


def test_numbers_of_a_plan(planned: Callable[..., Plan]) -> None:
    plan = planned()
    assert len(plan.cases) == 2 * 3 * 2
    assert plan.trials == 36
    assert plan.networks == 6
    assert plan.estimated_seconds > 36


def test_rounds_can_be_given(planned: Callable[..., Plan]) -> None:
    assert planned(rounds=7).trials == 7 * 12
    assert planned(rounds=7).measure.min_samples == planned().measure.min_samples


def test_quick_has_two_rounds_unless_told(planned: Callable[..., Plan]) -> None:
    assert planned(quick=True).measure.rounds == 2
    assert planned(quick=True).quick
    assert planned(quick=True, rounds=4).measure.rounds == 4


def test_only_keeps_the_baselines_of_what_it_keeps(planned: Callable[..., Plan]) -> None:
    assert [case.id for case in planned(only="resnet20/csr_conv(T=4)/*/b8/*").cases] == [
        "resnet20/dense/eager/cpu/b8/3x32x32",
        "resnet20/csr_conv(T=4)/eager/cpu/b8/3x32x32",
    ]


def test_only_takes_a_part_of_an_id(planned: Callable[..., Plan]) -> None:
    assert {case.method for case in planned(only="T=4").cases} == {"dense", "csr_conv(T=4)"}


def test_only_takes_a_whole_id_with_brackets_in_it(planned: Callable[..., Plan]) -> None:
    text = "name: s\nbackbones: [resnet20]\nmethods: [psconv: {variant: pSC4, skip: ['layer[12].*']}]\n"
    (case,) = planned(text).cases
    assert planned(text, only=case.id).cases == (case,)


def test_bug_only_given_twice_was_the_last_of_them(planned: Callable[..., Plan]) -> None:
    both = {case.method for case in planned(only=["csr_conv(T=2)", "csr_conv(T=4)"]).cases}
    assert both == {"dense", "csr_conv(T=2)", "csr_conv(T=4)"}
    with pytest.raises(InputError, match="--only resnet99: no case fits"):
        planned(only=["T=4", "resnet99"])


def test_only_that_fits_nothing_is_refused(planned: Callable[..., Plan]) -> None:
    with pytest.raises(InputError, match="--only resnet99: no case fits"):
        planned(only="resnet99")


def test_a_plan_as_data(planned: Callable[..., Plan]) -> None:
    data = json.loads(json.dumps(planned(only="resnet20/dense").as_dict()))
    assert data["cases"] == ["resnet20/dense/eager/cpu/b1/3x32x32", "resnet20/dense/eager/cpu/b8/3x32x32"]
    assert (data["suite"], data["networks"], data["rounds"], data["trials"]) == ("s", 1, 3, 6)
    assert [target["name"] for target in data["targets"]] == ["cpu"]


@pytest.mark.parametrize(
    "changed",
    [
        SUITE.replace("T: [2, 4]", "T: [2, 8]"),
        SUITE.replace("resnet32", "resnet56"),
        SUITE.replace("[1, 8]", "[1]"),
        SUITE + "seeds: [1]\n",
        SUITE.replace("{rounds: 3}", "{rounds: 3, min_samples: 10}"),
        SUITE + "targets: [{name: cpu, prefix: [taskset, -c, '0']}]\n",
    ],
)
def test_the_digest_changes_with_what_is_measured(planned: Callable[..., Plan], changed: str) -> None:
    assert planned(changed).digest() != planned().digest()


def test_the_digest_stays_when_only_words_or_rounds_change(planned: Callable[..., Plan]) -> None:
    same = SUITE.replace("rounds: 3", "rounds: 9") + "description: another\n"
    assert planned(same).digest() == planned().digest() == planned(rounds=1).digest()


def test_a_hundred_thousand_cases_can_be_planned(planned: Callable[..., Plan]) -> None:
    numbers = list(range(1, 51))
    plan = planned(
        f"name: s\nbackbones: [resnet20]\nmethods: [dense, csr_conv: {{T: 2}}]\n"
        f"batches: {numbers}\nthreads: {numbers}\nseeds: {numbers[:20]}\n"
    )
    assert len(plan.cases) == 100_000
    assert len({case.id for case in plan.cases}) == 100_000
    assert plan.networks == 40
    assert len(plan.digest()) == 16


def test_a_plan_knows_which_recipes_come_from_their_own_timings(planned: Callable[..., Plan]) -> None:
    text = "name: s\nbackbones: [layer/8-8-k3]\nmethods: [dense, haloc: {budget: 0.5}]\nbatches: [1, 2]\n"
    plan = planned(text)
    (timed,) = plan.times
    assert {case.method for case in plan.cases if case.count_id == timed} == {"haloc(budget=0.5)"}
    assert planned().times == frozenset()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rounds": 1001}, "--rounds 1001: must be less than or equal to 1000"),
        ({"rounds": 0}, "--rounds 0: must be greater than or equal to 1"),
        ({"max_rounds": 10**30}, "--max-rounds 1000000000000000000000000000000: "),
        ({"resolution": 1.5}, "--resolution 1.5: must be less than 1"),
    ],
)
def test_bug_the_command_line_had_other_bounds_than_a_suite(
    planned: Callable[..., Plan], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        planned(**options)
    assert str(caught.value).startswith(words)


BOARD = "targets: [cpu, {name: board, prefix: [ssh, 'pi; rm'], python: python3}, {name: own, device: cuda}]\n"


def test_bug_a_suite_started_what_it_liked(planned: Callable[..., Plan]) -> None:
    plan = planned(SUITE + BOARD)
    assert plan.untrusted == ("ssh 'pi; rm' 'PYTHONPATH=~/.csr-bench exec python3 -m bench.worker'",)
    with pytest.raises(InputError) as caught:
        plan.require_trust(False)
    assert str(caught.value) == (
        "suite s would run: ssh 'pi; rm' 'PYTHONPATH=~/.csr-bench exec python3 -m bench.worker'. "
        "`--trust` allows the commands that this suite names"
    )
    plan.require_trust(True)


def test_what_no_case_starts_needs_no_trust(planned: Callable[..., Plan]) -> None:
    planned().require_trust(False)
    plan = planned(SUITE + BOARD, only="*/cpu/*")
    assert plan.untrusted == ()
    plan.require_trust(False)
