"""What both ends of a connection over dask.distributed need: its packages, quiet settings, certificates."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import InputError

EXTRA = "csr-bench[cluster]"

CONNECT_SECONDS = 30.0
"""How long the other end may take to answer."""

NO_DASHBOARD = "127.0.0.1:0"
"""dask always serves its diagnostics somewhere: not to other hosts."""

QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ": {},
    "distributed.worker.memory.monitor-interval": "10s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
}
"""A worker beside measuring processes: it takes no profile of itself, and leaves their allocator alone."""

QUIET_JOB = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__GIL__ENABLED": "False",
}
"""The same in the environment of a job."""


def needed(name: str) -> ModuleType:
    """A module of the extra ``cluster``. Raises InputError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name.partition(".")[0]:
            raise
        distribution = error.name.partition(".")[0].replace("_", "-")
        raise InputError(
            f"more than one machine needs {distribution}: `pip install '{EXTRA}'` brings it"
        ) from None


@dataclass(frozen=True)
class Tls:
    """Files with which both sides of a connection prove who they are, as dask names them."""

    ca_file: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def security(self) -> Any:
        """dask's own configuration where no file is given. Raises InputError for one that is not there."""
        named = {"--tls-ca-file": self.ca_file, "--tls-cert": self.cert, "--tls-key": self.key}
        given = {flag: file for flag, file in named.items() if file is not None}
        for flag, file in given.items():
            if not file.is_file():
                raise InputError(f"{flag} {file}: no such file")
        distributed = needed("distributed")
        if not given:
            return distributed.Security()
        roles = ("client", "scheduler", "worker")
        files = {f"tls_{role}_{what}": path for role in roles for what, path in self._own().items()}
        if self.ca_file is not None:
            files["tls_ca_file"] = str(self.ca_file)
        return distributed.Security(require_encryption=True, **files)

    def _own(self) -> dict[str, str]:
        return {name: str(file) for name, file in (("cert", self.cert), ("key", self.key)) if file}
