"""What a caller may choose about the emulated service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

DEFAULT_STORE_ID = "mem_store_01emu1at0r0000000000000000"


class Clash(StrEnum):
    """What happens when one write matches several profiles; the service documents all three readings."""

    MERGE = "merge"
    """The profiles become one; the earliest profile ID stays canonical."""
    FIRST_MATCH = "first-match"
    """The match of highest priority is updated; the other matches are ignored."""
    SKIP = "skip"
    """As first-match, but each clashing identifier is left out of the write, with a 520034 warning."""


class BadProfile(StrEnum):
    """When a Bulk body holding an invalid profile is refused."""

    REFUSE_BATCH = "refuse-batch"
    """At once: 400 for the whole body."""
    ACCEPT_THEN_DROP = "accept-then-drop"
    """Later: 202, then the invalid profiles are left out and logged as 520010."""


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """Everything that can be switched; the defaults are the service's usual behaviour.

    Attributes:
        port: Loopback port of the API; 0 takes a free one.
        bucket_port: Loopback port of the upload bucket; 0 takes a free one.
        store_id: The one store of the account.
        store_name: Its display name.
        api_key: Basic user name; None accepts any, but never a request without credentials.
        api_secret: Basic password; None accepts any.
        clash: Reading of a write that matches several profiles.
        bad_profile: When an invalid profile of a Bulk body is refused.
        error_pointers: 400 bodies have the RFC 9457 shape with `errors[].pointer`.
        status_url: Bulk answers (and import answers) carry `operationId`, `createdAt` and `statusUrl`.
        apply_delay_s: Accepted work is applied this many seconds after its acceptance, in order.
        upload_ttl_s: Life of a signed upload URL in seconds; fractions are cut off, as S3 counts whole seconds.
        max_body_bytes: A larger Bulk body answers 413; None sets no limit of its own.
        max_requests_per_s: Above this rate the API answers 429 with `Retry-After`; None never does.
        burst: So many requests may come at once before that rate counts; as many as in a second where None.
        drop_every: Every so many-th profile of the accepted Bulk bodies and import files is left out when they are
            applied, and nothing says so; None drops none.
        faults: Faults that are switched on from the start, as `switches.read_switch` takes them.
        events: File that the service's log is appended to (mode 0600); None keeps none.
        sparse_nulls: Trait definitions answer `idTypePromotion` and `validationRule` as null where they have none.
    """

    port: int = 0
    bucket_port: int = 0
    store_id: str = DEFAULT_STORE_ID
    store_name: str = "emulator"
    api_key: str | None = None
    api_secret: str | None = field(default=None, repr=False)
    clash: Clash = Clash.MERGE
    bad_profile: BadProfile = BadProfile.REFUSE_BATCH
    error_pointers: bool = False
    status_url: bool = True
    apply_delay_s: float = 0.0
    upload_ttl_s: float = 1800
    max_body_bytes: int | None = None
    max_requests_per_s: float | None = None
    burst: int | None = None
    drop_every: int | None = None
    faults: tuple[Mapping[str, Any], ...] = ()
    events: Path | None = None
    sparse_nulls: bool = True
