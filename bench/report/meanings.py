"""What the number of each column of the main table is, in words."""

from __future__ import annotations

from bench.report.prose import paragraph

MEANINGS = {
    key: paragraph(meaning)
    for key, meaning in {
        "backbone": "The network before compression.",
        "method": "What compresses the backbone, with its knobs; leads to the case's details.",
        "params": "Numbers that the stored model holds.",
        "params_ratio": "Stored parameters over those of the dense baseline.",
        "logical_params": "Distinct non-zero weights.",
        "logical_params_ratio": "Distinct non-zero weights over those of the dense baseline.",
        "macs": """
            Multiply-accumulates of convolution and linear layers for one image if zeros cost nothing
            (logical). Expected: the mean over the inputs of a network that they leave at several exits.
        """,
        "macs_ratio": "Logical MACs over those of the dense baseline: what the method promises.",
        "executed_macs": "MACs that the runtime executes, zeros included.",
        "executed_ratio": "Executed MACs over those of the dense baseline.",
        "latency": "Time of one forward call on a whole batch: centre of the trials' medians.",
        "latency_interval": "The interval of the latency, over trials.",
        "launch_overhead": """
            Host time of a call less what the device needs when all its work was launched in advance: one
            waits for the other. Behind it, its share of the host time.
        """,
        "float32_ratio": """
            Latency over that of the same case in float32, from processes of the same rounds; no verdict.
            Ratios to dense are within a dtype.
        """,
        "float32_interval": "The interval of latency ÷ float32.",
        "ratio": """
            Latency over the dense baseline's, formed of turns next to each other in time; below 1 is faster.
        """,
        "interval": "The interval of latency ÷ dense, over fresh processes.",
        "verdict": """
            Same where the whole interval lies within the resolution asked for (1 % unless the run says
            otherwise); else faster or slower where it lies on one side of 1 and the difference survives
            Holm's correction for all cases of the run; otherwise it cannot be told, and half the
            interval stands behind it. Intervals and verdicts are corrected for every look that the run took.
        """,
        "delivered": """
            log(dense latency ÷ latency) over log(dense MACs ÷ logical MACs): how much of the promised saving
            arrived. Not told where less than a tenth of the MACs is saved, or where the interval of the
            ratio holds 1.
        """,
        "delivered_interval": "The interval of the delivered share, from that of latency ÷ dense.",
        "weight_bytes": "Bytes of everything that the model's state holds: parameters and buffers.",
        "exported_bytes": """
            Bytes on the disk of what the runtime loads, written once before all trials; nothing for a runtime
            that runs the network itself.
        """,
        "live_peak": """
            Highest sum of bytes of tensors alive during one forward; weights and input excluded. It belongs
            to the network: the same on every processor.
        """,
        "allocator_peak": """
            Highest sum of bytes that torch's allocator had given out during one forward: live tensors and
            kernels' scratch. It belongs to the network and this host.
        """,
        "resident_growth": """
            How far the process's resident high-water mark rose while it ran: median over trials, noisy.
        """,
        "cuda_allocated_peak": """
            Highest sum of bytes that torch allocated on the GPU during one forward beyond what it held
            before.
        """,
        "cuda_reserved_peak": "Highest sum of bytes that torch's allocator had reserved on the GPU.",
        "cuda_nvml_peak": """
            What the driver had given the process by the end of its calls: context, code and reserved memory.
        """,
        "energy": """
            Energy of one forward call on a whole batch by the hardware's counter, what the host uses idle
            subtracted; behind it, the power while it was called and idle. Of the whole GPU, or of all
            processor packages.
        """,
        "instructions": """
            Machine instructions of one forward call that an emulated core executed; the same in every run to
            a few parts in ten thousand. No measure of time: instructions differ in what they cost, and caches
            are not part of it.
        """,
        "instructions_ratio": "Instructions over those of the dense baseline on the same emulated core.",
        "trials": "Fresh processes that the latency comes from.",
    }.items()
}
"""What each column's number is, in one sentence."""
