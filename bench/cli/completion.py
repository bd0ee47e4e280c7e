"""What a shell offers behind TAB: suites, case ids, names. Nothing here imports torch, and nothing fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

MOST = 200
"""Offers at most: a longer list helps nobody, and shells ask before they show it."""


def suites(incomplete: str) -> list[str]:
    """Names of shipped suites, and suite files and folders on the way to them."""
    return _offered(incomplete, lambda: [*_shipped(), *_files(incomplete, ".yaml")])


def result_files(incomplete: str) -> list[str]:
    """Results files and folders on the way to them; those of results/ where nothing was typed yet."""
    here = _offered(incomplete, lambda: _files(incomplete, ".jsonl"))
    return here if incomplete else [*here, *_offered("", lambda: _files("results/", ".jsonl"))]


def cases_of_suite(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the suite that stands on the command line; those with a knob to be solved for are left out."""
    # Behind an option without its value nothing was parsed yet: the suite is among the words that are left.
    suite = ctx.params.get("suite") or next(iter(ctx.args), None)
    return _offered(incomplete, lambda: _cases(suite))


def cases(incomplete: str) -> list[str]:
    """Beginnings of case ids: backbones, and behind one of them the methods."""
    return _offered(incomplete, lambda: _beginnings(incomplete))


def methods(incomplete: str) -> list[str]:
    """Names of methods."""
    from bench.plan.declared import DECLARED_METHODS

    return _offered(incomplete, DECLARED_METHODS.shipped)


def backbones(incomplete: str) -> list[str]:
    """Names of backbones that need no other package."""
    from bench.plan.declared import DECLARED_BACKBONES

    return _offered(incomplete, DECLARED_BACKBONES.shipped)


def targets(incomplete: str) -> list[str]:
    """Names of targets, the user's own among them."""
    from bench.plan.target_file import known_targets

    return _offered(incomplete, lambda: (target.name for target in known_targets().all()))


def _offered(incomplete: str, words: Callable[[], Iterable[str]]) -> list[str]:
    """Those that begin as was typed. A mistake in somebody's file is told by the verb, not behind TAB."""
    try:
        return [word for word in dict.fromkeys(words()) if word.startswith(incomplete)][:MOST]
    except Exception:  # noqa: BLE001 - a shell would show the traceback in the middle of a line
        return []


def _shipped() -> list[str]:
    from bench.plan.shipped import shipped_suites

    return list(shipped_suites())


def _files(incomplete: str, ending: str) -> list[str]:
    folder = incomplete.rpartition("/")[0]
    beside = sorted(Path(folder or ("/" if incomplete.startswith("/") else ".")).iterdir())
    named = [(f"{folder}/{path.name}" if "/" in incomplete else path.name, path) for path in beside]
    shown = [(name, path) for name, path in named if not path.name.startswith(".")]
    return [
        f"{name}/" if path.is_dir() else name
        for name, path in shown
        if path.is_dir() or name.endswith(ending)
    ]


def _cases(suite: object) -> list[str]:
    from bench.plan.expand import expand
    from bench.plan.suite import load_suite

    if suite is None:
        return []
    drafts = expand(load_suite(Path(str(suite)))).drafts
    return [draft.case.id for draft in drafts if not draft.is_open]


def _beginnings(incomplete: str) -> list[str]:
    from bench.plan.declared import DECLARED_BACKBONES, DECLARED_METHODS
    from bench.plan.ranges import example_label

    backbone, slash, _ = incomplete.partition("/")
    if not slash:
        return [f"{name}/" for name in DECLARED_BACKBONES.shipped()]
    return [f"{backbone}/{example_label(name)}" for name in DECLARED_METHODS.shipped()]
