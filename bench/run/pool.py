"""Several processes of one kind side by side, each asked one question after the other."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, Self, TypeVar

Question_contra = TypeVar("Question_contra", contravariant=True)
Answer_co = TypeVar("Answer_co", covariant=True)
Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Asked(Protocol[Question_contra, Answer_co]):
    """A process that answers; what goes wrong with it is an answer too."""

    def ask(self, question: Question_contra, /) -> Answer_co:
        """The answer to one question."""

    def close(self) -> None:
        """Ends the process."""


class Pool(Generic[Question, Answer]):
    """Hands each question to a process that is free; answers come in the order of the questions."""

    def __init__(self, processes: Sequence[Asked[Question, Answer]]) -> None:
        self._all = tuple(processes)
        self._free: queue.SimpleQueue[Asked[Question, Answer]] = queue.SimpleQueue()
        for process in self._all:
            self._free.put(process)
        self._threads = ThreadPoolExecutor(len(self._all))

    def ask(self, questions: Iterable[Question]) -> Iterator[Answer]:
        """The answer to each question."""
        return self._threads.map(self._ask, questions)

    def _ask(self, question: Question) -> Answer:
        process = self._free.get()
        try:
            return process.ask(question)
        finally:
            self._free.put(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._all:
            process.close()  # also ends the thread that waits for its answer
