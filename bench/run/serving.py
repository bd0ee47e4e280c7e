"""A worker in the foreground, which offers targets to the runs of a scheduler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from bench.errors import InputError
from bench.run.dask_setup import CONNECT_SECONDS, NO_DASHBOARD, QUIET, Tls, needed
from bench.run.served import resources

CLOSE_SECONDS = 10.0


def serve(address: str, targets: Sequence[str], threads: int, tls: Tls, tell: Callable[[str], None]) -> None:
    """Works for the scheduler at ``address`` until it is gone; KeyboardInterrupt ends it before.

    Raises InputError where the extra is missing or no scheduler answers.
    """
    security = tls.security()
    distributed = needed("distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with needed("dask").config.set(QUIET):
        try:
            asyncio.run(_serve(distributed, address, targets, threads, security, tell))
        except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
            said = str(error.__cause__ or error).strip().partition("\n")[0] or type(error).__name__
            raise InputError(
                f"worker: no scheduler answers at {address}: {said}; `dask scheduler` starts one"
            ) from None


async def _serve(
    distributed: Any,
    address: str,
    targets: Sequence[str],
    threads: int,
    security: Any,
    tell: Callable[[str], None],
) -> None:
    worker = distributed.Worker(
        address,
        nthreads=threads,
        resources=resources(targets),
        security=security,
        memory_limit=0,  # measuring processes are none of its memory
        death_timeout=CONNECT_SECONDS,
        dashboard=False,
        dashboard_address=NO_DASHBOARD,
    )
    await worker
    try:
        tell(f"offers {', '.join(targets)} to {address}, as {worker.address}; Ctrl-C ends it")
        await worker.finished()
        tell(f"the scheduler at {address} is gone")
    finally:
        # The sitting under way is nobody's any more: its processes end with this one.
        with suppress(TimeoutError):  # closing waits for a scheduler that may be gone
            await asyncio.wait_for(worker.close(timeout=2, executor_wait=False), CLOSE_SECONDS)
