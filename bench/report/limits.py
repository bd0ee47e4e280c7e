"""What the numbers do not say: a short list, with what applies to these rows only."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.store import Results
from bench.report.outcome import COMPARED, outcome
from bench.report.prose import paragraph
from bench.report.rows import Row

ACCURACY = paragraph("""
    Nothing about accuracy: the weights are random. A network that is fast here may be useless.
""")
MACHINES = paragraph("""
    Nothing about other machines: every time belongs to the host and the versions named above. Another
    processor, runtime or number of threads can turn a verdict around.
""")
LATENCY = paragraph("""
    Latency is the time of one call with the batch as stated (here: {batches}). It is not throughput under
    load, and it leaves out reading and preparing the input.
""")
MACS = paragraph("""
    Logical MACs are what a perfect kernel would compute; executed MACs are what this runtime computes.
    Masked or pruned weights that are stored as zeros are multiplied like any others: their logical saving
    is a promise, not a measurement.
""")
OTHER_WORK = paragraph("""
    MACs cover convolution and linear layers. Normalisation, pooling and element-wise work cost time too;
    they are counted apart, as elements, in the details. So are products of activations with activations, as
    in attention and dynamic kernels.
""")
MEMORY = paragraph("""
    Resident growth is noisy: the allocator and the system decide when memory is taken and given back. The
    live tensor peak is exact and the same everywhere, but leaves out what kernels need as scratch. The
    allocator peak has that scratch in it, and is exact on this host only: another processor's kernels need
    another amount. Both leave out what libraries allocate past torch.
""")
INTERVALS = paragraph("""
    An interval covers variation between processes on this host during this run: not other days, other
    hosts, other random weights or another layout of memory in another build.
""")
TOGETHER = paragraph("""
    An interval is about one case, a verdict about all of them: among {number} equal cases some intervals
    would miss 1 by chance. So faster and slower also have to survive Holm's correction, which keeps the
    chance of any false alarm on this page at 5 %.
""")
SAME = paragraph("""
    “Cannot tell” is not “the same”: a change smaller than the resolution may well be there.
""")
VIRTUAL = paragraph("""
    A virtual machine shares its processor with neighbours that nobody here can see.
""")


def limits(rows: Sequence[Row], results: Sequence[Results]) -> tuple[str, ...]:
    """The list, in plain sentences."""
    judged = sum(outcome(row) in COMPARED for row in rows)
    batches = ", ".join(str(batch) for batch in sorted({row["batch"] for row in rows}))
    found = [ACCURACY, MACHINES]
    if batches:
        found.append(LATENCY.format(batches=batches))
    found += [MACS, OTHER_WORK, MEMORY, INTERVALS]
    if judged > 1:
        found.append(TOGETHER.format(number=judged))
    found.append(SAME)
    if any(trial.host and trial.host.get("virtual") is True for one in results for trial in one.trials):
        found.append(VIRTUAL)
    return tuple(found)
