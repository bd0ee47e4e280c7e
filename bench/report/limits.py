"""What the numbers do not say: a short list, with what applies to these rows only."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.store import Results
from bench.report import verdict
from bench.report.rows import Row


def limits(rows: Sequence[Row], results: Sequence[Results]) -> tuple[str, ...]:
    """The list, in plain sentences."""
    rounds = [row["ratio_rounds"] for row in rows if verdict.verdict(row) in verdict.COMPARED]
    batches = ", ".join(str(batch) for batch in sorted({row["batch"] for row in rows}))
    found = [
        "Nothing about accuracy: the weights are random. A network that is fast here may be useless.",
        "Nothing about other machines: every time belongs to the host and the versions named above. Another "
        "processor, runtime or thread count can turn a verdict around.",
    ]
    if batches:
        found.append(
            f"Latency is the time of one call with the batch as stated (here: {batches}). It is not "
            "throughput "
            "under load, and it leaves out reading and preparing the input."
        )
    found += [
        "Logical MACs are what a perfect kernel would compute, executed MACs what this runtime "
        "computes. Masked or "
        "pruned weights that are stored as zeros run dense: their logical saving is a promise, not a "
        "measurement.",
        "MACs cover convolution and linear layers. Normalisation, pooling and element-wise work cost "
        "time too; "
        "they are counted apart, as elements, in the details.",
        "Resident growth is noisy: the allocator and the system decide when pages come and go. The live "
        "tensor peak "
        "is the exact number of the two, but leaves out what libraries allocate for themselves.",
        "An interval covers variation between processes on this host during this run: "
        "not other days, "
        "other hosts, other random weights or another order of memory in another build.",
    ]
    if len(rounds) > 1:
        found.append(
            f"An interval stands for itself, a verdict for all: among {len(rounds)} equal cases some "
            "intervals would miss 1 by chance, so faster and slower also need to survive Holm's correction, "
            "which keeps false alarms of the whole page at 5 %."
        )
    found.append("“Cannot tell” is not “the same”: a change smaller than the resolution may well be there.")
    if any(trial.host and trial.host.get("virtual") is True for one in results for trial in one.trials):
        found.append("A virtual machine shares its processor with neighbours that nobody here can see.")
    return tuple(found)
