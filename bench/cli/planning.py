"""The plan that `bench plan`, `run` and `ab` begin with, and a bar while its budgets are solved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from bench.cli.screen import run_progress

if TYPE_CHECKING:
    from bench.plan.plan import Options, Plan
    from bench.plan.suite import LoadedSuite


def solved_plan(loaded: LoadedSuite, **options: Unpack[Options]) -> Plan:
    """As ``bench.plan.plan.make_plan``, with a bar."""
    from bench.plan.plan import make_plan

    with run_progress() as progress:
        return make_plan(loaded, progress.solving, **options)
