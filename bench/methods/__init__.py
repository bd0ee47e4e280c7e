"""Methods: what compresses a backbone, one file each, found by their decorator."""

from bench.methods.parts.method import METHODS, Context, Left, Method, Replaced, Rewritten, method

__all__ = ["METHODS", "Context", "Left", "Method", "Replaced", "Rewritten", "method"]
