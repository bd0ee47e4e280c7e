"""What one needs to measure a run again: its suite, command line, versions and packages, as recorded."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.store import Results
from bench.report.prose import shortened

NOT_RECORDED = "not recorded"
_LONGEST_SUITE = 40_000


@dataclass(frozen=True)
class Repeat:
    """One run. Empty texts were not recorded."""

    run: str
    facts: tuple[tuple[str, str], ...]
    suite_text: str
    packages: str
    packages_count: int


def repeats(results: Sequence[Results]) -> tuple[Repeat, ...]:
    """One entry for each run."""
    return tuple(_repeat(one) for one in results)


def _repeat(one: Results) -> Repeat:
    start = one.start
    hosts = dict.fromkeys(
        str(trial.host["id"]) for trial in one.trials if trial.host and trial.status == "ok"
    )
    facts = (
        ("command", shlex.join(start.command) if start.command else NOT_RECORDED),
        (
            "suite",
            " ".join(part for part in (start.suite_file or start.suite, f"(hash {start.suite_digest})")),
        ),
        ("seed of the order", str(start.seed)),
        ("revision", start.revision),
        (
            "versions",
            ", ".join(f"{name} {version}" for name, version in start.versions.items()) or NOT_RECORDED,
        ),
        ("fingerprint of the host", ", ".join(hosts) or "no trial told it"),
    )
    return Repeat(
        start.run,
        facts,
        shortened(start.suite_text, _LONGEST_SUITE),
        "\n".join(start.packages),
        len(start.packages),
    )
