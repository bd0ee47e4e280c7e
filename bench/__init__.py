"""csr-bench: what compressed convolutions really deliver on this hardware.

The package imports nothing at its top: the measuring process must not carry what it does not use.
"""

__version__ = "0.1.0"
