"""The pure core: polars expressions and frozen values; no I/O, clock, randomness or logging."""
