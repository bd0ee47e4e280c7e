"""``python -m bench.worker``: measures one case."""

from bench.worker.trial import main

main()
