"""A worker in the foreground, which offers targets to the runs of a scheduler."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
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
        asked: list[int] = []
        try:
            with _usual_answers_afterwards():
                asyncio.run(_serve(distributed, address, targets, threads, security, tell, asked))
        except asyncio.CancelledError:
            if asked:
                signal.raise_signal(asked[0])  # the command line's own answer to it
            raise
        except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
            said = str(error.__cause__ or error).strip().partition("\n")[0] or type(error).__name__
            raise InputError(
                f"worker: no scheduler answers at {address}: {said}; `dask scheduler` starts one"
            ) from None


def _numbers() -> list[int]:
    """Of the signals that ask to end and are not ignored; none in another thread than the main one."""
    if threading.current_thread() is not threading.main_thread():
        return []
    all_of_them = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
    return [number for number in all_of_them if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def _usual_answers_afterwards() -> Iterator[None]:
    """Restores what a loop forgets: it leaves the system's own answers to signals that it has handled."""
    before = {number: signal.getsignal(number) for number in _numbers()}
    try:
        yield
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)


def _end_when(asked: list[int]) -> None:
    """Has the running task cancelled by the first request to end, which ``asked`` then holds.

    An exception out of a signal's handler would end whichever callback of the loop is running, and what that
    was closing stays half closed.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def end(number: int) -> None:
        if not asked:
            asked.append(number)
            task.cancel()

    for number in _numbers():
        loop.add_signal_handler(number, end, number)


async def _serve(
    distributed: Any,
    address: str,
    targets: Sequence[str],
    threads: int,
    security: Any,
    tell: Callable[[str], None],
    asked: list[int],
) -> None:
    _end_when(asked)
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
