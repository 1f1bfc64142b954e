"""What sending costs: billable operations as a range, and the same beside a month's free allowance.

Creates, updates and merges of profiles are billed as operations, the first 100,000 of a month free; a profile that is
read is billed once a day. Whether a read counts toward the free operations is not documented, so "at most" takes it in
and "at least" leaves it out. Source: the service's public documentation of its limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from importer.core.report_parts import Allowance

FREE_OPERATIONS: Final = 100_000
"""Operations of a month that are not billed, an account."""


LOOKUP: Final = "lookup"
GET_PROFILE: Final = "get-profile"
GET_OTHER_PROFILE: Final = "get-other-profile"
"""Kinds of requests that read profiles: by an identifier; the one that a lookup named; the others that it named."""

GET_IDENTIFIERS: Final = "get-identifiers"
DELETE_PROFILE: Final = "delete-profile"
"""Kinds of requests of a removal, beside those."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What rows cost, or did.

    Attributes:
        rows: Rows that surely go, each a create or an update.
        doubtful: Rows that may be billed: nobody knows whether they were applied.
        merging: Rows of merge groups: each may merge profiles once more.
        patches: Removals that follow a row's values: sent only where a profile is found.
        further: Further identifiers that follow a row's values.
        lookups_at_least: Reads of profiles for those rows, where the first identifier is enough.
        lookups_at_most: The same, where every identifier is asked for.
        deletes: Profiles that are deleted: whether that is billed is not documented.
    """

    rows: int = 0
    doubtful: int = 0
    merging: int = 0
    patches: int = 0
    further: int = 0
    lookups_at_least: int = 0
    lookups_at_most: int = 0
    deletes: int = 0

    @property
    def at_least(self) -> int:
        """Operations at least."""
        return self.rows

    @property
    def at_most(self) -> int:
        """Operations at most."""
        return self.rows + self.doubtful + self.merging + self.patches + self.further + self.deletes

    @property
    def billable_at_most(self) -> int:
        """Operations and reads at most: what guards compare with."""
        return self.at_most + self.lookups_at_most

    def __add__(self, other: Cost) -> Cost:
        """Add two costs."""
        return Cost(
            self.rows + other.rows,
            self.doubtful + other.doubtful,
            self.merging + other.merging,
            self.patches + other.patches,
            self.further + other.further,
            self.lookups_at_least + other.lookups_at_least,
            self.lookups_at_most + other.lookups_at_most,
            self.deletes + other.deletes,
        )


@dataclass(frozen=True, slots=True)
class Billed:
    """What a month was billed so far, as this tool's own ledgers tell.

    Attributes:
        at_least: Operations at least.
        at_most: Operations at most.
        reads: Profiles read at most.
    """

    at_least: int = 0
    at_most: int = 0
    reads: int = 0

    def __add__(self, other: Billed) -> Billed:
        """Add what another run was billed."""
        return Billed(self.at_least + other.at_least, self.at_most + other.at_most, self.reads + other.reads)


def reads_at_most(requests: Mapping[str, int]) -> int:
    """Return how many billable reads some requests were at most.

    A lookup is one, whether or not it finds somebody: what a miss costs is not documented. Reading the profile that a
    lookup named is none on top, since a profile is billed once a day; reading the others that it named is one each.

    Args:
        requests: Requests by kind.

    Example:
        >>> reads_at_most({"bulk": 7, "lookup": 20, "get-profile": 20}), reads_at_most({"get-other-profile": 2})
        (20, 2)
    """
    return requests.get(LOOKUP, 0) + requests.get(GET_OTHER_PROFILE, 0)


def month_of(moment_iso: str) -> str:
    """Return the calendar month of a UTC time, by which the allowance counts.

    Example:
        >>> month_of("2026-11-30T23:59:59.9Z")
        '2026-11'
    """
    return datetime.fromisoformat(moment_iso).strftime("%Y-%m")


def allowance(month: str, free: int, used: Billed, coming: Cost, *, runs: int = 0, unread: int = 0) -> Allowance:
    """Lay what a run still sends beside the month's free operations.

    Args:
        month: ``YYYY-MM``, UTC.
        free: Free operations of a month.
        used: Billed in this month so far.
        coming: What the run still sends.
        runs: Runs that `used` is of.
        unread: Runs of the month whose ledger cannot be read: they are missing in `used`.
    """
    used_at_most = used.at_most + used.reads
    return Allowance(
        month=month,
        free=free,
        used_at_least=used.at_least,
        used_at_most=used_at_most,
        coming_at_least=coming.at_least,
        coming_at_most=coming.billable_at_most,
        beyond_at_least=max(0, used.at_least + coming.at_least - free),
        beyond_at_most=max(0, used_at_most + coming.billable_at_most - free),
        runs=runs,
        unread=unread,
    )


def too_dear(coming: Cost, max_operations: int | None) -> str | None:
    """Say that rows may cost more than was allowed, with the numbers; None where they may not.

    Example:
        >>> too_dear(Cost(rows=3, merging=1), 3)
        'it may cost 4 billable operations (at least 3), more than 3 (--max-operations)'
        >>> too_dear(Cost(rows=3), 3) is None
        True
    """
    most = coming.billable_at_most
    if max_operations is None or most <= max_operations:
        return None
    low = f" (at least {coming.at_least:,})" if coming.at_least < most else ""
    reads = f", {coming.lookups_at_most:,} of them reads" if coming.lookups_at_most else ""
    return f"it may cost {most:,} billable operations{low}{reads}, more than {max_operations:,} (--max-operations)"


def range_text(at_least: int, at_most: int) -> str:
    """Write a range as people read it.

    Example:
        >>> range_text(1000, 1000), range_text(1, 2)
        ('1,000', 'at least 1, at most 2')
    """
    return f"{at_most:,}" if at_least == at_most else f"at least {at_least:,}, at most {at_most:,}"


def cost_text(cost: Cost) -> str:
    """Write operations as a question has them.

    Example:
        >>> cost_text(Cost(rows=1200)), cost_text(Cost(rows=1, merging=1))
        ('at least 1,200', 'at least 1, at most 2')
    """
    most = f", at most {cost.at_most:,}" if cost.at_most > cost.at_least else ""
    return f"at least {cost.at_least:,}{most}"


def allowance_text(said: Allowance) -> str:
    """Write an allowance as one line: what the month used, and what is not free any more."""
    coming = said.coming_at_most > 0
    used = f"{range_text(said.used_at_least, said.used_at_most)} of {said.free:,} free operations used in {said.month}"
    if not said.beyond_at_most:
        return f"{used}; {'all of this is free' if coming else 'none was beyond them'}"
    beyond = range_text(said.beyond_at_least, said.beyond_at_most)
    return f"{used}; beyond them {'with this' if coming else 'already'}: {beyond}"
