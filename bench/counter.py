"""``python -m bench.counter``: a name that other revisions start. The process is bench.worker.counter."""

from bench.worker.counter import count_case, main

__all__ = ["count_case", "main"]

if __name__ == "__main__":
    main()
