"""bench gate"""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import app
from bench.cli.options import (
    AsJson,
    FailOn,
    MaxRounds,
    NoWait,
    Only,
    OrderSeed,
    ResultsFolder,
    Rounds,
    SameWithin,
    Trust,
)
from bench.cli.screen import duration, leaving, one_line, say
from bench.cli.verb_compare import parse_fail_on, print_comparison
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.analysis.expected import Expected
    from bench.analysis.gate import Gate
    from bench.run.commits import Commit

MAIN_BRANCHES = ("main", "origin/main")
"""Where a change is merged to, when nothing else is said: a clone of a CI has the second one alone."""


class TimeFails(StrEnum):
    """Whether a slower case fails the gate."""

    never = "never"
    slower = "slower"


@app.command(
    short_help="Judge a change before it is merged.",
    epilog="Example: bench gate --base main --fail-on bigger",
)
def gate(
    suite: Annotated[Path, typer.Argument(help="Suite file (YAML).")] = Path("suites/asv.yaml"),
    base: Annotated[
        str | None,
        typer.Option("--base", help="Revision to compare with, an ancestor; else the merge base with main."),
    ] = None,
    head: Annotated[str, typer.Option("--head", help="Revision that is to be merged.")] = "HEAD",
    results: ResultsFolder = Path("results"),
    rounds: Rounds = None,
    max_rounds: MaxRounds = None,
    only: Only = None,
    fail_on: FailOn = "slower,bigger",
    time_fails: Annotated[
        TimeFails, typer.Option("--time-fails", help="Whether a slower case fails, or is only shown.")
    ] = TimeFails.slower,
    resolution: SameWithin = "1%",
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write the verdict to this file, as Markdown.")
    ] = None,
    seed: OrderSeed = None,
    trust: Trust = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Judge the change from a base to a head: counts exactly, then times by `bench ab`.

    Every change of a count fails, in either direction, unless suites/expected.yaml of the head declares it,
    one line each: CASE METRIC OLD → NEW reason. So does a case that became slower (CASE time 1 → 1.15
    reason). With `--fail-on bigger` nothing is timed. The verdict is appended to $GITHUB_STEP_SUMMARY where
    that is set.

    Exit: 0 passes, 1 a change that was not declared, 2 the input was wrong (a declared change that did not
    happen is that too), 4 cannot tell, 130 interrupted.
    """
    from bench.analysis.compare import compare_arms, exact_of
    from bench.analysis.disk import check_writable, write_whole
    from bench.analysis.gate import judge_gate
    from bench.analysis.resolution import parse_percent
    from bench.cli.two_revisions import Both, measure
    from bench.plan.plan import make_plan
    from bench.plan.suite import load_suite
    from bench.report.gate import as_text, between, in_markdown
    from bench.run import arms, commits
    from bench.run.estimate import stored_seconds

    wanted, band = parse_fail_on(fail_on), parse_percent(resolution)
    repository = commits.repository_of(Path.cwd())
    to_merge = commits.commit_of(head, repository)
    before = _base(base, to_merge, repository)
    declared = _declared(before, to_merge, repository)
    loaded = load_suite(suite, trust=trust)
    plan = make_plan(loaded, rounds=rounds, max_rounds=max_rounds, resolution=band, only=only)
    plan.require_trust(trust)
    if markdown is not None:
        check_writable(markdown)
    timed = "slower" in wanted
    seconds = stored_seconds(plan, results) if timed else None
    time = "timed" if timed else "not timed"
    time += "" if seconds is None else f", about {duration(2 * seconds)}"
    ran = measure(
        Both(plan, repository, before.id, to_merge.id, results, seed, not no_wait, timed),
        f"base {before.short} {before.subject}\nhead {to_merge.short} {to_merge.subject}\n"
        f"{len(plan.cases)} cases, {time}",
    )
    bases, heads = (exact_of(ran, arm) for arm in (arms.BASE, arms.HEAD))
    found = judge_gate(
        compare_arms(ran, arms.BASE, arms.HEAD, band, wanted),
        declared,
        bases,
        times_fail=timed and time_fails is TimeFails.slower,
        whole=not only,
    )
    about = between(ran, *(f"`{c.short}` {as_text(c.subject)}" for c in (before, to_merge)))
    text = in_markdown(found, about, {case: (of, heads[case]) for case, of in bases.items()})
    if markdown is not None:
        write_whole(markdown, text)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(text)
    with leaving(found.exit_code):
        if as_json:
            both = {"base": before.id, "head": to_merge.id}
            say(json.dumps(both | found.as_dict(), indent=1))
        else:
            _print(found)


def _base(asked: str | None, head: Commit, repository: Path) -> Commit:
    """The base that was asked for, an ancestor of the head; else where the head left main.

    Raises InputError for any other, with the commit that would do.
    """
    from bench.run import commits

    if asked is None:
        return _fork(head, repository)
    found = commits.commit_of(asked, repository)
    if found.id == head.id:
        raise InputError(f"--base {asked}: the head itself, {head.short}; there is no change to judge")
    if not commits.is_ancestor(found.id, head.id, repository):
        fork = commits.merge_base(found.id, head.id, repository)
        mend = f"`--base {fork[:12]}` is where they parted" if fork else "they have no commit in common"
        if fork is None and commits.is_shallow(repository):
            mend = "this clone is shallow: `git fetch --unshallow`"
        raise InputError(f"--base {asked}: no ancestor of {head.short}; {mend}")
    return found


def _fork(head: Commit, repository: Path) -> Commit:
    from bench.run import commits

    known = [
        branch
        for branch in MAIN_BRANCHES
        if commits.git(repository, "rev-parse", "--verify", "--quiet", f"{branch}^{{commit}}").returncode == 0
    ]
    if not known:
        raise InputError(
            f"no branch {' or '.join(MAIN_BRANCHES)} here to find the base by; name one with --base"
        )
    found = commits.merge_base(known[0], head.id, repository)
    if found is None:
        hidden = commits.is_shallow(repository)
        mend = "this clone is shallow: `git fetch --unshallow`" if hidden else "name a base with --base"
        raise InputError(f"{known[0]} and {head.short} have no commit in common; {mend}")
    if found == head.id:
        raise InputError(
            f"{head.short} is on {known[0]} already: no change to judge; name a base with --base"
        )
    return commits.commit_of(found, repository)


def _declared(base: Commit, head: Commit, repository: Path) -> list[Expected]:
    """What the head declares and the base does not: lines of changes that were merged before are history."""
    from bench.analysis.expected import FILE, parse_expected
    from bench.run.commits import text_at

    of_base, of_head = (text_at(commit.id, FILE, repository) or "" for commit in (base, head))
    known = {one.key for one in parse_expected(of_base, f"{base.short}:{FILE}")} if of_base else set()
    here = repository / FILE
    if here.is_file() and here.read_text(encoding="utf-8", errors="replace") != of_head:
        say(f"{FILE} differs from that of {head.short}, which is the one that counts: commit it", err=True)
    return [one for one in parse_expected(of_head) if one.key not in known]


def _print(found: Gate) -> None:
    from bench.analysis.expected import FILE
    from bench.report.gate import OUTCOMES, reached

    print_comparison(found.comparison)
    for one in found.found:
        if one.declared is not None:
            say(one_line(f"declared: {one.declared.line()}"))
    if found.undeclared:
        say(f"where these were meant, add to {FILE}, with a reason for each:")
        for one in found.undeclared:
            say(one_line(one.line()))
    for line in found.stale:
        say(one_line(f"bench: {line}"), err=True)
    say(f"times: {reached(found.comparison)}", err=True)
    say(f"gate: {OUTCOMES[found.exit_code]}", err=True)
