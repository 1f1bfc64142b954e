"""The catalogue of issue codes: what each means, and what to do.

A code is kebab-case and never changes meaning. Messages and fixes hold no cell values.
"""

from __future__ import annotations

from typing import Final

from importer.core.issues import IssueCode, Severity

_E = Severity.ERROR
_W = Severity.WARNING

_ENTRIES = (
    # rows
    IssueCode(
        "malformed-row",
        _E,
        "Row cannot be read",
        "The line has too few or too many fields, bytes that are not in the file's encoding, a NUL, or a quote that "
        "never closes; or it is the header once more, as where files were put together.",
        "Mend the line in the source; rejected.csv has the rows that could be read, rejected-malformed.txt the others.",
    ),
    IssueCode(
        "missing-identifier",
        _E,
        "No identifier",
        "None of the columns mapped to an identifier has a value, so the service could not tell whose row this is.",
        "Fill at least one identifier (for example the e-mail or the phone), or leave the row out with `where`.",
    ),
    IssueCode(
        "too-few-values",
        _E,
        "Too few values",
        "A profile needs at least two values, one of them an identifier. Constants and computed values do not count.",
        "Map more columns or fill the row; two identifiers are enough.",
    ),
    IssueCode(
        "required-missing",
        _E,
        "Required value missing",
        "The mapping says `required: true` for this column, and the cell is empty, a null token, or has a value that "
        "was dropped: another issue of the row says why.",
        "Fill the cell, or take `required` out of the mapping.",
    ),
    IssueCode(
        "duplicate-key",
        _W,
        "Key occurs more than once",
        "Several rows have this key and their identifiers conflict. By `on_duplicate_key` the newest row carries the "
        "values and older conflicting identifiers are dropped, the rows are rejected, or all are sent.",
        "Make the key unique in the source, or set `identity: {on_duplicate_key: last|reject|all}`.",
    ),
    IssueCode(
        "missing-key",
        _W,
        "Key is empty",
        "A key column of this row is empty, so the row cannot be recognised in later runs; a sync rejects it.",
        "Fill the key column.",
    ),
    IssueCode(
        "rule-broken",
        _E,
        "Row breaks a rule of the mapping",
        "A `rules:` entry of the mapping is false for this row; the message names the rule.",
        "Correct the row, or change the rule or its severity.",
    ),
    # values
    IssueCode(
        "type-mismatch",
        _E,
        "Value does not fit the trait's type",
        "The text is not what the store's trait type takes: a NUMBER is a whole number written with digits only, a "
        "BOOLEAN one of the mapping's words, an ARRAY a list of plain values.",
        "Correct the cell, or say in the mapping how to read it (`replace`, `true_values`, `split`, `parse`).",
    ),
    IssueCode(
        "out-of-range",
        _E,
        "Number out of range",
        "A NUMBER is between -2147483648 and 2147483647, and the store may set a narrower range for the trait.",
        "Correct the number, or map the column to a STRING trait.",
    ),
    IssueCode(
        "too-long",
        _E,
        "Text too long",
        "A STRING has at most 1024 characters, an identifier 255, and the store may set less for the trait.",
        "Shorten the text in the source, or use `on_invalid: drop` to leave the value out.",
    ),
    IssueCode(
        "too-short",
        _E,
        "Text too short",
        "The store sets a minimum length for this trait.",
        "Correct the text, or use `on_invalid: drop` to leave the value out.",
    ),
    IssueCode(
        "pattern-mismatch",
        _E,
        "Text does not match the store's pattern",
        "The store's validation rule for this trait has a pattern that the value does not match.",
        "Correct the value; `memory-importer schema show` prints the pattern.",
    ),
    IssueCode(
        "pattern-not-checked",
        _W,
        "Store pattern cannot be checked here",
        "The store's pattern uses features (look-around, back-references) that have no safe, linear-time engine here.",
        "Nothing to do; the service will check the pattern itself.",
    ),
    IssueCode(
        "too-many-items",
        _E,
        "Too many items",
        "An ARRAY has at most 100 items, and the store may set less for the trait.",
        "Shorten the list in the source.",
    ),
    IssueCode(
        "too-few-items",
        _E,
        "Too few items",
        "The store sets a minimum number of items for this trait.",
        "Complete the list, or leave the cell empty.",
    ),
    IssueCode(
        "invalid-date",
        _E,
        "Not a date",
        "The text is not a date in the format the mapping names (ISO 8601 where it names none).",
        'Correct the cell, or set `format:` in the mapping, for example `format: "%d/%m/%Y"`.',
    ),
    IssueCode(
        "not-allowed",
        _E,
        "Value not allowed",
        "The value is not one the trait takes.",
        "Correct the value.",
    ),
    # identifiers
    IssueCode(
        "invalid-phone",
        _E,
        "Not a phone number",
        "The text has no calling code in use, or a number of digits that its country does not have.",
        "Correct the number; international form (+, country code, number) is always understood.",
    ),
    IssueCode(
        "ambiguous-phone",
        _E,
        "National phone number without a country",
        "The number has no country code and the mapping names no region for it, or the row's region is none: it is to "
        "be two letters of ISO 3166, such as DE or US, not a country's name. The service would read it as a US number "
        "and might merge two people.",
        "Set `region:` or `region_from:` for the column, `defaults: {region: ..}`, or write the number with + and "
        "country code.",
    ),
    IssueCode(
        "unlikely-phone",
        _W,
        "Phone number not in use",
        "The number has a possible length, but its prefix is not assigned in that country's numbering plan.",
        "Check the number; it is sent as it is.",
    ),
    IssueCode(
        "invalid-email",
        _E,
        "Not an e-mail address",
        "The text is not one address of the form name@domain.",
        "Correct the address; one address a cell.",
    ),
    IssueCode(
        "placeholder-email",
        _W,
        "E-mail address of nobody",
        "The address is one that people write where there is none (noemail@..., test@test.com). It is sent as it is, "
        "and links every row that has it.",
        "Name it under `identity: {deny: [..]}` in the mapping to leave it out of its rows.",
    ),
    IssueCode(
        "denied-value",
        _W,
        "Identifier on the deny list",
        "The value is on the mapping's `deny` list or is a well-known placeholder; it was dropped from the row.",
        "Nothing to do if it is a placeholder; otherwise take it off the list.",
    ),
    IssueCode(
        "shared-identifier",
        _W,
        "Identifier shared by different keys",
        "Rows of different keys carry the same identifier; by `on_shared: drop-value` it was dropped from all of them. "
        "A row that this leaves without an identifier, a second value or a required one is held.",
        "Correct the identifier, or set `identity: {on_shared: {<idType>: hold|allow}}`.",
    ),
    IssueCode(
        "merge-group",
        _W,
        "Rows would become one profile",
        "Rows of different keys are linked by identifiers; the service may merge them into one profile, and nothing "
        "undoes a merge.",
        "See groups.parquet. Correct the identifiers, name values that are nobody's under `identity: {deny: [..]}`, or "
        "allow it: `--allow-merges N`, or `memory-importer resume RUN --release GROUP`.",
    ),
    IssueCode(
        "merge-with-stored",
        _W,
        "Row would merge profiles of the store",
        "By `--lookup`, or by what a sync delivered before, the row's identifiers belong to two or more profiles of "
        "the store, or rows of different keys would go to one stored profile; the service may merge them, and nothing "
        "undoes a merge.",
        "See groups.parquet. Correct the identifiers, or allow it: `--allow-merges N`, or "
        "`memory-importer resume RUN --release GROUP`. Where a key that is gone handed an identifier on to another, "
        "say if both are the same: `memory-importer sync decide`.",
    ),
    IssueCode(
        "parked",
        _W,
        "Row was refused in several runs of a sync",
        "The service refused this very row in as many runs as the sync file's `refused_runs` says; it is not sent "
        "again until it changes.",
        "See what the service said in the outcomes of the run that sent it last; correct the row in the source. If the "
        "cause was the store's, and is mended: `sync run FILE --full-refresh` sends it once more. "
        "`sync history FILE` lists the runs.",
    ),
    # text damage
    IssueCode(
        "excel-damage",
        _E,
        "Value damaged by a spreadsheet",
        "The text is in scientific notation (1.31756E+10): a spreadsheet threw digits away, they cannot be recovered.",
        "Export again with the column formatted as text.",
    ),
    IssueCode(
        "control-character",
        _E,
        "Control character in the text",
        "The value has a control character other than tab or newline.",
        "Remove it in the source.",
    ),
    IssueCode(
        "invisible-character",
        _E,
        "Invisible character in an identifier",
        "The identifier has a zero-width or direction-changing character: it would make a twin of a profile that looks "
        "the same.",
        "Remove the character in the source.",
    ),
    # delivery
    IssueCode(
        "refused-by-service",
        _E,
        "Refused by the service",
        "The service answered this row, sent alone, with an error; the message has its status and code.",
        "Look the code up, correct the row, and import it again; where the store was at fault and is mended, "
        "`retry RUN` sends the row as it is.",
    ),
    IssueCode(
        "ambiguous-profile",
        _W,
        "Several profiles match",
        "A removal needs the one profile the row belongs to, and a lookup found more than one.",
        "Merge or correct the profiles, or use `on_missing: keep` for the column.",
    ),
    IssueCode(
        "lookup-unanswered",
        _W,
        "Looked up, and never answered",
        "A removal needs the profile of this row, and the lookups for it were not answered. Nothing of the row was "
        "sent.",
        "Resume the run: it looks the row up again.",
    ),
    IssueCode(
        "removal-not-made",
        _W,
        "Removal not made",
        "The values of this row were accepted. The profile to remove its empty traits from should have come from an "
        "earlier row, and was not there for a minute; so they were not removed, if there is anything to remove.",
        "Look the profile up; where the traits are still there, import the row again.",
    ),
    IssueCode(
        "identifier-not-added",
        _W,
        "Further identifier not added",
        "The values of this row were accepted. Its profile was not found within a minute, or several were, so the "
        "further values of an identifier type (`also`) were not added.",
        "`retry RUN` sends the row again, and adds them then.",
    ),
    IssueCode(
        "no-answer",
        _W,
        "Sent, and never answered",
        "The batch of this row was sent several times without an answer. The service may have applied it.",
        "`resume RUN --settle lookup` looks the row up; `retry RUN` sends it again: the same values change nothing.",
    ),
    IssueCode(
        "not-settled",
        _W,
        "Not settled in time",
        "The import of this row was still pending or processing when the wait for it ended.",
        "The row may be applied later: `resume RUN --settle lookup` looks for it, `retry RUN` sends it again by Bulk.",
    ),
    IssueCode(
        "import-failed",
        _W,
        "Import part failed",
        "The import of this row's part FAILED. The service does not say which rows it applied.",
        "`resume RUN --settle lookup` looks its rows up; `retry RUN` sends them again by Bulk, which names a bad one.",
    ),
    IssueCode(
        "import-errors",
        _W,
        "Import part completed with errors",
        "The part of this row COMPLETED with errors or warnings, as counts: no row was named.",
        "`retry RUN` sends its rows again by Bulk, which names a bad one; smaller parts (`--part-rows`) narrow it "
        "down.",
    ),
    IssueCode(
        "import-no-summary",
        _W,
        "Import part completed without counts",
        "The part of this row COMPLETED, and the service gave no count of errors and warnings.",
        "`resume RUN --settle lookup` looks its rows up.",
    ),
    IssueCode(
        "operation-failed",
        _W,
        "Operation failed",
        "The batch of this row was accepted, and its operation FAILED or was CANCELLED later.",
        "`retry RUN` sends its rows again; the operation ID is in outcomes.parquet.",
    ),
    IssueCode(
        "operation-errors",
        _W,
        "Operation completed with errors",
        "The batch of this row was accepted, and its operation COMPLETED with errors or warnings, as counts.",
        "`resume RUN --settle lookup` finds those that are missing, `retry RUN` sends them again; the service's own "
        "log has the request ID of outcomes.parquet, and `events join` reads it.",
    ),
    IssueCode(
        "event-errors",
        _W,
        "The service's log has errors or warnings",
        "The service accepted this row, and its log (`events join`) has errors or warnings about the row's batch or "
        "part without naming the row.",
        "`resume RUN --settle lookup` finds the rows that are missing, `retry RUN` sends them again.",
    ),
    IssueCode(
        "event-refused",
        _W,
        "Refused later, says the service's log",
        "The service accepted this row (202) and did not apply it: its log (`events join`) names the row as refused.",
        "Mend what the service's code says, see the log's entry by the request ID of outcomes.parquet; `retry RUN` "
        "sends the row again.",
    ),
)

CATALOGUE: Final[dict[str, IssueCode]] = {entry.code: entry for entry in _ENTRIES}
"""Every issue code by name."""
