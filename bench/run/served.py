"""What a machine does for a run on another one: it holds sittings and answers probes, as it would its own.

The functions here are called by name on a worker of dask.distributed; they take and give text, so that no
object of this package is pickled. They start fresh processes on this host, under the host's lock.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bench
from bench.plan.targets import Target
from bench.run.lock import HostLock
from bench.run.probing import probe_here
from bench.run.requests import ProbeRequest, SittingRequest
from bench.run.sitting import hold
from bench.worker.protocol import Job

RESOURCE = "csr-bench:"
"""What a worker's resources that are targets begin with: ``csr-bench:pi``, of which it has one."""


def resources(targets: Sequence[str]) -> dict[str, int]:
    """The resources of a worker that offers these targets, each to one sitting at a time."""
    return {f"{RESOURCE}{target}": 1 for target in targets}


def offered(found: Mapping[str, Any]) -> list[str]:
    """The targets among a worker's resources."""
    return [name.removeprefix(RESOURCE) for name in found if name.startswith(RESOURCE)]


def about() -> dict[str, str]:
    """Which package answers here, and on which host."""
    return {"version": bench.__version__, "host": platform.node()}


def packed(request: SittingRequest | Sequence[ProbeRequest]) -> str:
    """The text of a request, with the user's own files in it: the other machine has other files."""
    if isinstance(request, SittingRequest):
        jobs, data = request.jobs, [request.to_json()]
    else:
        jobs, data = tuple(one.job for one in request), [one.to_json() for one in request]
    plugins = {path: _text(path) for job in jobs for path in job.plugins}
    return json.dumps({"requests": data, "plugins": plugins})


def held(text: str) -> str:
    """Holds the sitting of a packed request; its answer as text."""
    data = json.loads(text)
    with HostLock(wait=True), _placed(data["plugins"]) as places:
        request = SittingRequest.from_json(data["requests"][0])
        processes = tuple(tuple(_moved(job, places) for job in jobs) for jobs in request.processes)
        found = hold(replace(request, target=as_here(request.target), processes=processes))
    return json.dumps(found.to_json())


def probed(text: str) -> str:
    """Answers the probes of a packed request; the answers as text."""
    data = json.loads(text)
    with HostLock(wait=True), _placed(data["plugins"]) as places:
        requests = [ProbeRequest.from_json(one) for one in data["requests"]]
        here = [replace(r, target=as_here(r.target), job=_moved(r.job, places)) for r in requests]
        found = probe_here(here)
    return json.dumps([asdict(answer) for answer in found])


def as_here(target: Target) -> Target:
    """The target as the machine that offers it starts it: without the way there."""
    return replace(target, prefix=(), python=None) if target.is_remote else target


def _text(path: str) -> str | None:
    """None for a file that cannot be read: the machine is then told of its name, and says so."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


@contextmanager
def _placed(plugins: Mapping[str, str | None]) -> Iterator[dict[str, str]]:
    """Path over there -> path here, of files that are gone at the end."""
    with TemporaryDirectory(prefix="csr-bench-") as folder:
        places: dict[str, str] = {}
        for number, (path, text) in enumerate(plugins.items()):
            if text is not None:
                file = Path(folder) / str(number) / Path(path).name
                file.parent.mkdir()
                file.write_text(text, encoding="utf-8")
                places[path] = str(file)
        yield places


def _moved(job: Job, places: Mapping[str, str]) -> Job:
    return replace(job, plugins=tuple(places.get(path, path) for path in job.plugins))
