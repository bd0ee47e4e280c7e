"""The exporting process: writes a runtime's file of each case, once for all of its trials.

``python -m bench.worker.exporter`` answers one JSON line per job. It imports what a trial must not wait for:
exporters bring compilers, graph rewriters and protocol buffers.
"""

from __future__ import annotations

from pathlib import Path

from bench.worker.pipe import answer_each
from bench.worker.protocol import Exported, Failure, Job, Json


def export_case(job: Job) -> Exported:
    """Builds the job's network and writes it into the folder ``job.exported``; or why not."""
    try:
        import torch

        from bench.network import backbone_network, compress, example_images, refuse_cast
        from bench.runtimes import RUNTIMES
        from bench.worker.runnable import bytes_in, export, settle_statistics
        from bench.worker.seat import placement, refuse_exits

        case, folder = job.case, Path(job.exported)
        torch.set_flush_denormal(True)
        runtime = RUNTIMES.get(case.runtime)
        runtime.require()
        network = compress(backbone_network(case), case, job.recipes).network
        refuse_exits(network, case)
        refuse_cast(network, case)
        place = placement(case, job.device)
        network, example = network.to(**place), example_images(case, case.batch).to(**place)
        with torch.no_grad():
            settle_statistics(network, example, case)
        folder.mkdir()
        seconds = export(runtime, network, example, folder)
    except Exception as error:  # noqa: BLE001 - a failed case is a result: the record carries the traceback
        return Exported(error=Failure.of(error, "export"))
    return Exported(export_seconds=seconds, exported_bytes=bytes_in(folder))


def answer(data: Json) -> Exported:
    """The answer to one line."""
    from bench.plugins import load_plugins

    job = Job.from_json(data)
    try:
        load_plugins(job.plugins)
    except Exception as error:  # noqa: BLE001 - the user's own file: what it raises is the answer
        return Exported(error=Failure.of(error, "plugin"))
    return export_case(job)


if __name__ == "__main__":
    answer_each(answer, lambda failure: Exported(error=failure))
