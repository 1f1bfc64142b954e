"""The catalogue's lines about who a row is, and about mapping files."""

from __future__ import annotations

from typing import Final

from tests.catalogue.line import Line

IDENTITY: Final = (
    Line(
        57,
        "One placeholder identifier in rows that differ otherwise",
        "held",
        "`merge-group`. `on_shared: {<idType>: drop-value}` drops it from all of them: a row that this leaves without "
        "an identifier, a second value or a required one is held (`shared-identifier`), the others go without it. "
        "`deny` drops values that you name (`denied-value`).",
    ),
    Line(
        58,
        "The same row twice; one key or identifier with other values",
        "fixed",
        "Combined into the newest, whose values win, and counted as `combined`; where a key has two values of an "
        "identifier, `duplicate-key` says which rows lost theirs. `on_duplicate_key: reject` rejects them.",
    ),
    Line(
        59,
        "A chain: two rows share a phone, one of them an address with a third",
        "held",
        "All three, as one `merge-group` of the shape `chain`.",
    ),
    Line(
        60,
        "No identifier; an identifier and nothing else",
        "rejected",
        "`missing-identifier`; `too-few-values`. Two identifiers are two values; constants, computed values and texts "
        "that are cleared are none.",
    ),
)

MAPPINGS: Final = (
    Line(84, "A mapping with YAML anchors, aliases or merge keys; an alias bomb", "refused", "Each with its line."),
    Line(85, "YAML tags (`!!python/object/apply:os.system`) and directives", "refused", "Nothing is called."),
    Line(86, "A key that stands there twice", "refused", "With both lines."),
    Line(
        87,
        "Values that YAML readers convert: `no`, `012`, `12:30:45`, `2026-11-22`, `+13175551234`",
        "refused",
        'With its line, and as what to write it: `"no"`.',
    ),
    Line(88, "5,000 levels of nesting, in YAML or JSON", "refused", "At the ninth level; a mapping needs five."),
    Line(89, "A key nobody knows, or in another case", "refused", "With the nearest name."),
    Line(
        90,
        "Two columns for one trait; one column for several",
        "refused, read",
        "Two values for a trait are refused with both lines; a column may fill several traits as a list.",
    ),
    Line(
        91,
        "A trait or trait group the store lacks; another type; a protected trait",
        "refused",
        "In preflight, with the nearest name. What is protected the service does not tell beforehand: its answer "
        "520050 stops the run at the first body (exit code 4), with the trait groups that the run writes to.",
    ),
    Line(
        92,
        "No identifier; fewer than two traits filled by columns; more than 100",
        "refused, read",
        "Rows of more than 100 traits go by Bulk, as an import has 100 columns.",
    ),
    Line(
        93,
        "A mapping of 100 MB, with NUL, not in UTF-8, empty, or a list",
        "refused",
        "No more than 1,000,000 bytes are read.",
    ),
    Line(94, "A mapping pinned to another store", "refused", "With both stores."),
    Line(
        95,
        "A mapped column the source lacks; columns nobody maps",
        "refused, read",
        "With the nearest name; columns that are not mapped are named in a note.",
    ),
)
