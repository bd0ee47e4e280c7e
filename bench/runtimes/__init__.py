"""Runtimes: what executes a network, one file each, found by their decorator."""

from bench.runtimes.runtime import RUNTIMES, Runtime, runtime

__all__ = ["RUNTIMES", "Runtime", "runtime"]
