"""The benchmarks that asv finds: one number of one case of suites/asv.yaml each.

asv imports this folder from the checkout, as the package ``tracking``, beside the ``bench`` of the commit
that it measures. So this file stands alone: ``bench.tracking`` would be another commit's.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

try:
    from bench import api
except ImportError:  # a commit from before the façade
    from . import older as api  # type: ignore[no-redef]

SUITE = Path(__file__).resolve().parents[2] / "suites" / "asv.yaml"
PLAN = api.make_plan(api.load_suite(SUITE))

COLUMNS = (
    "params", "logical_params", "macs", "executed_macs", "disputed_layers", "witnessed_macs",
    "other_elements", "weight_bytes", "live_peak", "allocator_peak", "latency", "ratio",
)  # fmt: skip
"""Columns of the frame that are tracked."""

EMULATED_SUITE, EMULATED_ONLY = SUITE.with_name("arm.yaml"), "layer/64-64-k3/*"
EMULATED_CASES = tuple(
    f"layer/64-64-k3/{method}/eager/cortex-a72/b1/64x16x16"
    for method in (
        "dense",
        *(f"csr_conv(T={T})" for T in (1, 2, 4, 8)),
        "psconv(variant=PSD2_P8,form=executed)",
    )
)
"""The cases of that suite that are tracked: written out, because older commits cannot read it."""

SETUP_TIMEOUT = 1200.0
"""Seconds that measuring the suite may take: a slow board is no failure, and asv's own limit is 60."""

Number = float | dict[str, Any]
"""What a benchmark may return: one number, or ``samples`` that asv treats as it treats its own timings."""

Row = dict[str, Any]
Rows = dict[str, Row]
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def measure(plan: Any, columns: Iterable[str] = COLUMNS) -> Rows:
    """Runs the plan through the harness and returns case id -> tracked columns, status and error.

    A case that failed has its row too. ``rounds`` of a row: what each round said, without numbers where the
    commit tells none. Waits for another run on this host to end. Raises KeyboardInterrupt when the run was
    interrupted, so that asv keeps nothing of half a run.
    """
    with tempfile.TemporaryDirectory() as folder:
        results = api.run(plan, Path(folder))
    frame = api.make_frame([results])
    if "allocator_peak" not in frame:  # a commit that called this number the live peak, and had no other
        frame = frame.rename(columns={"live_peak": "allocator_peak"}).assign(live_peak=math.nan)
    marked = {str(row["case"]): {str(k): v for k, v in row.items()} for row in frame.to_dict("records")}
    # Columns that the commit did not know become nan.
    frame = frame.reindex(columns=["case", *columns, "status", "error"])
    by_round = api.round_values(results) if hasattr(api, "round_values") else {}
    rows = {str(row.pop("case")): {str(k): v for k, v in row.items()} for row in frame.to_dict("records")}
    for case, row in rows.items():
        row["rounds"] = _told(by_round[case]) if case in by_round else _marked(marked[case])
    return rows


def _told(values: Any) -> Row:
    """A case's rounds as what every process can read back: asv keeps the rows in a file."""
    told = {"latency": list(values.latencies), "ratio": list(values.ratios)}
    return {**told, "disturbed": values.disturbed, "trials": values.trials, "trusted": values.trusted}


def _marked(row: Row) -> Row:
    """The same of a commit that tells no rounds: how many trials it marked, and no numbers."""
    marks, trials = row.get("marks") or {}, int(row.get("trials") or 0)
    disturbed = max(marks.get("busy", 0), marks.get("stolen", 0))
    return {
        "latency": [],
        "ratio": [],
        "disturbed": disturbed,
        "trials": trials,
        "trusted": 2 * disturbed <= trials,
    }


def look_up(rows: Rows, case: str, column: str) -> float:
    """One value of a case; whole numbers come as int.

    What a case that went well does not have is nan, which asv shows as "n/a". Where the case failed before
    it had the value, raises RuntimeError with the case's own error, which asv shows as "failed".
    """
    row = rows[case]
    value = float(row[column])
    if math.isnan(value):
        if row["status"] != "ok":
            raise RuntimeError(f"{case}: {row['error'] or row['status']}")
        return math.nan
    return int(value) if value.is_integer() else value


def look_up_time(rows: Rows, case: str, column: str) -> Number:
    """As ``look_up``, with the numbers of all rounds where the commit tells them.

    nan, said on stderr, for a case that was mostly measured while others used the processor: such a number
    is the neighbour's as much as the commit's.
    """
    value, rounds = look_up(rows, case, column), rows[case]["rounds"]
    if math.isnan(value):
        return value
    if not rounds["trusted"]:
        print(
            f"{case}: {rounds['disturbed']} of {rounds['trials']} trials were taken while others used the "
            f"processor (busy or stolen): no {column} is kept; measure this commit again on a quiet host",
            file=sys.stderr,
        )
        return math.nan
    samples = rounds[column]
    return {"samples": samples, "number": 1} if len(samples) > 1 else value


def emulated_plan() -> Any:
    """The tracked cases of an emulated core; None where it is not set up, or unknown to the commit."""
    is_set_up = getattr(api, "is_set_up", None)
    if is_set_up is None:
        return None
    plan = api.make_plan(api.load_suite(EMULATED_SUITE), only=EMULATED_ONLY)
    return plan if is_set_up(plan) else None


def tell_asv(**attributes: object) -> Callable[[AnyFunction], AnyFunction]:
    """Puts the attributes on a function from which asv reads unit, version and timeout."""

    def put(function: AnyFunction) -> AnyFunction:
        vars(function).update(attributes)
        return function

    return put


class Tracked:
    """What all classes share: the cases, and one run of the suite for all of them.

    asv runs a ``setup_cache`` once per function and not once per class, so inheriting it is enough.
    Raise a benchmark's ``version`` when its number changes its meaning: asv then begins a new history.
    """

    params = tuple(case.id for case in PLAN.cases)
    param_names = ("case",)

    @tell_asv(timeout=SETUP_TIMEOUT)
    def setup_cache(self) -> Rows:
        """Measures every case of the suite, once per commit."""
        return measure(PLAN)


class Counts(Tracked):
    """Exact integers: any change is news."""

    @tell_asv(unit="parameters", version="1")
    def track_stored_params(self, rows: Rows, case: str) -> float:
        """Parameters that the file holds."""
        return look_up(rows, case, "params")

    @tell_asv(unit="parameters", version="1")
    def track_logical_params(self, rows: Rows, case: str) -> float:
        """Distinct non-zero weights."""
        return look_up(rows, case, "logical_params")

    @tell_asv(unit="MACs", version="1")
    def track_logical_macs(self, rows: Rows, case: str) -> float:
        """Multiply-accumulates that a perfect kernel would do."""
        return look_up(rows, case, "macs")

    @tell_asv(unit="MACs", version="1")
    def track_executed_macs(self, rows: Rows, case: str) -> float:
        """Multiply-accumulates that the runtime really does."""
        return look_up(rows, case, "executed_macs")

    @tell_asv(unit="layers", version="1")
    def track_disputed_layers(self, rows: Rows, case: str) -> float:
        """Layers whose executed MACs the three witnesses count differently."""
        return look_up(rows, case, "disputed_layers")

    @tell_asv(unit="MACs", version="1")
    def track_witnessed_macs(self, rows: Rows, case: str) -> float:
        """The largest of the three witnesses' MACs: more than the executed ones where work is thrown away."""
        return look_up(rows, case, "witnessed_macs")

    @tell_asv(unit="elements", version="1")
    def track_other_elements(self, rows: Rows, case: str) -> float:
        """Output elements of all other operators: normalisation, pooling, element-wise work."""
        return look_up(rows, case, "other_elements")


class Memory(Tracked):
    """Bytes that do not depend on the moment: any change is news. Histories are one machine's each."""

    @tell_asv(unit="bytes", version="1")
    def track_weight_bytes(self, rows: Rows, case: str) -> float:
        """Bytes of the weights."""
        return look_up(rows, case, "weight_bytes")

    @tell_asv(unit="bytes", version="2")
    def track_live_peak(self, rows: Rows, case: str) -> float:
        """Peak of bytes of tensors alive during one forward (version 1 was the allocator's peak)."""
        return look_up(rows, case, "live_peak")

    @tell_asv(unit="bytes", version="1")
    def track_allocator_peak(self, rows: Rows, case: str) -> float:
        """Peak of bytes that the allocator gave out during one forward, with kernels' scratch."""
        return look_up(rows, case, "allocator_peak")


class Latency(Tracked):
    """Times: they carry the noise of the machine. Version 1 gave one number, version 2 gives one a round."""

    @tell_asv(unit="seconds", version="2")
    def track_latency(self, rows: Rows, case: str) -> Number:
        """Median latency of each round's process, in seconds."""
        return look_up_time(rows, case, "latency")

    @tell_asv(unit="x dense", version="2")
    def track_ratio(self, rows: Rows, case: str) -> Number:
        """Latency over that of the dense case, formed within each round: above 1 is slower than dense."""
        return look_up_time(rows, case, "ratio")


class Emulated:
    """What an emulated ARM core executes, on hosts where ``bench provision cortex-a72`` has set it up.

    The same to a few parts in ten thousand in every run. Elsewhere, and for commits that know no such core,
    all is nan.
    """

    params = EMULATED_CASES
    param_names = ("case",)

    @tell_asv(timeout=SETUP_TIMEOUT)
    def setup_cache(self) -> Rows:
        """Measures the cases once per commit."""
        plan = emulated_plan()
        return {} if plan is None else measure(plan, ("instructions",))

    @tell_asv(unit="instructions", version="1")
    def track_instructions(self, rows: Rows, case: str) -> float:
        """Instructions of one forward on a Cortex-A72."""
        return look_up(rows, case, "instructions") if rows else math.nan
