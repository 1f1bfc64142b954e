"""Stretches of time as people write them."""

from __future__ import annotations


def span_text(seconds: float) -> str:
    """Return a stretch of time in two units at most: ``45 s``, ``12 min 03 s``, ``2 h 30 min``, ``3 d 4 h``."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def age_text(seconds: float) -> str:
    """Return how long ago something was, in the largest unit that it fills."""
    return " ".join(span_text(seconds).split()[:2])
