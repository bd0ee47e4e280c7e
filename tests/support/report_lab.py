"""Results made by hand for the report's tests: no network is built and nothing is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from made_trials import made_conditions, made_count, made_end, made_error, made_results, made_trial

from bench.analysis.frame import make_frame
from bench.analysis.records import CountRecord, Json, Trial
from bench.analysis.store import Results
from bench.case import Case, MethodCall
from bench.report.rows import Row, records

SPREAD = (1.0, 1.01, 0.99, 1.005, 0.995)
"""Five rounds around a centre: an interval about one per cent wide on each side."""

HOST: Json = {
    "id": "h0st",
    "name": "board",
    "cpu": "Some CPU",
    "logical_cpus": 2,
    "memory_bytes": 2**30,
    "governor": "unknown",
    "virtual": True,
    "emulated": False,
}


def around(centre: float) -> tuple[float, ...]:
    """Medians of five rounds around ``centre`` seconds."""
    return tuple(centre * factor for factor in SPREAD)


@dataclass(frozen=True)
class Net:
    """One case and what its trials found; ``medians`` has one entry per round."""

    method: str = "dense"
    medians: Sequence[float] = (1e-3,) * 5
    knobs: Mapping[str, Any] = field(default_factory=dict)
    backbone: str = "resnet20"
    runtime: str = "eager"
    dtype: str = "float32"
    params: int = 1000
    macs: int = 10_000
    logical_params: int | None = None
    executed_macs: int | None = None
    error: str = ""
    count_error: str = ""
    disagreements: Sequence[str] = ()
    replaced: Sequence[Json] = ()
    left: Sequence[Json] = ()
    checksums: Sequence[str] = ("same",) * 30
    finite: bool = True

    @property
    def case(self) -> Case:
        """The case it stands for."""
        return Case(
            self.backbone, (MethodCall(self.method, self.knobs),), runtime=self.runtime, dtype=self.dtype
        )


def run(
    *nets: Net,
    name: str = "run-1",
    suite: str = "smoke",
    quick: bool = False,
    ends: Sequence[str] = ("complete",),
    host: Json | None = None,
    load: Any = 0.1,
    revision: str = "abc",
    arms: Mapping[str, str] | None = None,
    resolution: float | None = None,
) -> Results:
    """A run of those nets."""
    rounds = max((len(net.medians) for net in nets), default=5)
    start: dict[str, Any] = {
        "run": name,
        "suite": suite,
        "description": "by hand",
        "started": "2026-01-01T00:00:00+00:00",
        "seed": 7,
        "measure": {"rounds": rounds, "quick": quick, "min_samples": 64, "resolution": resolution},
        "targets": [{"name": "cpu", "device": "cpu", "prefix": [], "python": None}],
        "versions": {"torch": "2.13.0"},
        "revision": revision,
        "arms": dict(arms or {}),
    }
    counts: list[CountRecord] = []
    trials: list[Trial] = []
    for arm in arms or ("",):
        counts += [_count(net, name, arm) for net in nets]
        trials += [trial for net in nets for trial in _trials(net, name, arm, host or HOST, load)]
    cases = [net.case for net in nets]
    return made_results(cases, trials, counts, [made_end(name, status) for status in ends], **start)


def rows(*results: Results) -> list[Row]:
    """The frame's rows."""
    return records(make_frame(results))


def _count(net: Net, run_name: str, arm: str) -> CountRecord:
    executed = net.macs if net.executed_macs is None else net.executed_macs
    return made_count(
        net.case,
        arm,
        run=run_name,
        error=made_error(net.count_error, "method", "ValueError") if net.count_error else "",
        replaced=net.replaced,
        left=net.left,
        params=net.params,
        logical_params=net.params if net.logical_params is None else net.logical_params,
        macs=net.macs,
        executed_macs=executed,
        flops=2 * executed,
        other_elements=10,
        disagreements=list(net.disagreements),
    )


def _trials(net: Net, run_name: str, arm: str, host: Json, load: Any) -> list[Trial]:
    if net.count_error:
        return []
    if net.error:
        return [made_trial(net.case, error=made_error(net.error, "sample"), run=run_name, arm=arm)]
    return [
        made_trial(
            net.case,
            number,
            median,
            first_call=2 * median,
            memory={"weight_bytes": 4 * net.params, "live_peak": 2048, "allocator_peak": 4096},
            checksum=net.checksums[number],
            finite=net.finite,
            host=host,
            before=made_conditions(load=load),
            after=made_conditions(load=load),
            run=run_name,
            arm=arm,
            cores=[1],
            threads=1,
            denormals="flushed",
        )
        for number, median in enumerate(net.medians)
    ]


class Parsed(HTMLParser):
    """A page taken apart: the text that a reader sees, and all start tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._skipping = 0
        self.feed(page)

    @property
    def text(self) -> str:
        """The text outside scripts and styles."""
        return " ".join(" ".join(self.texts).split())

    def count(self, tag: str) -> int:
        """How many elements of that name there are."""
        return sum(name == tag for name, _ in self.tags)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._skipping += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._skipping -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.texts.append(data)
