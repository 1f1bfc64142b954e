"""A proposal -> the text of a mapping file, with the reason of each line beside it, read again to prove it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from importer.core.mapping import MAPPING_VERSION
from importer.core.mapping_checks import quoted
from importer.core.mapping_propose import ColumnProposal, Fate, Proposal
from importer.core.mapping_propose_candidates import Candidate
from importer.core.mapping_propose_targets import usual_name
from importer.core.mapping_tree import MAX_BYTES
from importer.core.mapping_yaml import parse_mapping

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_TAKEN: Final = re.compile(r"(?i:yes|no|on|off|y|n|true|false|null)")
_FILES_NAMED: Final = 3
NULL_OF_DUMPS: Final = "\\N"
"""A null token by default; a list of one's own has to name it again."""


def mapping_text(proposal: Proposal, name: str = "mapping") -> str:
    """Write a proposal as a mapping file.

    Reasons are left out where the file would become larger than a mapping may be.

    Args:
        proposal: At least one column is mapped.
        name: What the file is called in messages.

    Raises:
        MappingError: the file would be refused.
    """
    text = "".join(f"{line}\n" for line in _lines(proposal, with_reasons=True))
    if len(text.encode()) > MAX_BYTES:
        text = "".join(f"{line}\n" for line in _lines(proposal, with_reasons=False))
    parse_mapping(text.encode(), name)
    return text


def _lines(proposal: Proposal, *, with_reasons: bool) -> Iterator[str]:
    yield from _head(proposal)
    yield f"version: {MAPPING_VERSION}"
    if proposal.store_id is not None:
        yield "# The store whose traits were matched; take the # away to refuse any other."
        yield f"# store: {proposal.store_id}"
    yield ""
    yield from _source(proposal)
    yield from _deny(proposal)
    yield "columns:"
    if not proposal.has_identifier:
        yield from _no_identifier(proposal)
    for column in proposal.columns:
        if column.fate is not Fate.LEFT_OUT:
            yield from _column(column, with_reasons=with_reasons)
    yield from _left_out(proposal)


def _head(proposal: Proposal) -> Iterator[str]:
    profile = proposal.profile
    names = ", ".join(quoted(file)[1:-1] for file in profile.files[:_FILES_NAMED])
    more = len(profile.files) - _FILES_NAMED
    good = profile.rows - profile.blank - profile.malformed
    rows = f"{good:,} row{'' if good == 1 else 's'}" + ("" if profile.is_complete else " that were looked at")
    aside = [f"{profile.malformed:,} malformed"] if profile.malformed else []
    aside += [f"{profile.blank:,} blank"] if profile.blank else []
    rows += f" (and {', '.join(aside)})" if aside else ""
    others = f" and {more:,} more" if more > 0 else ""
    columns = f"{len(profile.columns):,} column{'' if len(profile.columns) == 1 else 's'}"
    yield f"# Proposed from {names}{others}: {rows}, {columns}."
    yield "# Above each column: how sure the proposal is, from 0 to 1, and why. What is in doubt is a TODO: take the #"
    yield "# away from the line that is right. Then run `mapping check` on this file, and `validate` with the source."


def _source(proposal: Proposal) -> Iterator[str]:
    yield "source:"
    if proposal.key is None:
        yield "  # TODO: no column has a value on every row and none twice. Name the columns that tell rows apart, so"
        yield "  # that rows of one customer are taken together: key: [column, column]"
    else:
        yield f"  # {'' if proposal.key.is_certain else 'TODO: is this right? '}{_sentence(proposal.key.reason)}"
        yield f"  key: [{_scalar(proposal.key.column)}]"
    for name, value in proposal.read_as.items():
        yield f"  {name}: {_value(value)}"
    yield from _zone(proposal)
    if proposal.null_tokens:
        yield "  # Cells that hold one of these words count as empty, in every column; take out what is a value to you."
        yield f"  null_tokens: {_value(['', NULL_OF_DUMPS, *proposal.null_tokens])}"
    yield ""


def _deny(proposal: Proposal) -> Iterator[str]:
    """Name addresses that are nobody's, to be left out of their rows by whoever agrees that they are."""
    denied = proposal.denied
    if denied:
        cells = sum(denied.values())
        found = f"{cells:,} cell{'' if cells == 1 else 's'}"
        yield f"# TODO: addresses that look like nobody's, in {found}. They would link rows of different people; take"
        yield "# the # away to leave them out, each with a warning. A row with no other identifier is then rejected."
        yield f"# identity: {{deny: {_value(list(denied))}}}"
        yield ""


def _zone(proposal: Proposal) -> Iterator[str]:
    """Ask for the zone of times that have none, where some would be sent."""
    sent = {column.column for column in proposal.columns if column.fate is not Fate.LEFT_OUT}
    naive = [quoted(name) for name in proposal.profile.naive if name in sent]
    if naive:
        named = ", ".join(naive[:_FILES_NAMED])
        more = len(naive) - _FILES_NAMED
        others = f" and {more:,} more" if more > 0 else ""
        yield f"  # TODO: which zone are the times of {named}{others} of? Without one they are sent as they stand."
        yield "  # assume_tz: Europe/Berlin"


def _no_identifier(proposal: Proposal) -> Iterator[str]:
    yield "  # TODO: NO IDENTIFIER. No column is mapped to an identifier such as an e-mail address or a phone number,"
    yield "  # and without one no row can be sent. Map one."
    if proposal.store_id is not None:
        yield f"  # Identifiers of the store: {_one_line(', '.join(proposal.store_identifiers) or 'none')}."
        return
    yield "  # A number of your own may be one, if the store has an identifier type for it:"
    own = proposal.key.column if proposal.key is not None else "customer_id"
    trait = next((usual_name(column) for column in proposal.profile.columns if column.name == own), "customerId")
    yield f"  # {_scalar(own)}: {{to: Account.{trait}, identifier: user_id}}"


def _column(proposal: ColumnProposal, *, with_reasons: bool) -> Iterator[str]:
    best = proposal.target
    todo = proposal.fate is Fate.DOUBTFUL
    reason = f": {_one_line(proposal.reason)}" if with_reasons else ""
    marked = f" Identifier {best.id_type}." if best.id_type is not None else ""
    end = "" if reason.endswith("?") else "."
    yield f"  # {'TODO ' if todo else ''}{best.score:.2f}{reason}{end}{marked}"
    if with_reasons:
        yield from (f"  # {_sentence(remark)}" for remark in proposal.remarks)
    key = _scalar(proposal.column)
    yield f"  {'# ' if todo else ''}{key}: {_target(best, proposal.options, 'also' if proposal.is_further else 'to')}"
    if todo and with_reasons:
        for other in proposal.candidates[1:]:
            if other.ref != best.ref:
                yield f"  # {key}: {_scalar(other.ref)}  # {other.score:.2f}: {_one_line(other.reason)}"


def _left_out(proposal: Proposal) -> Iterator[str]:
    reasons = {column.column: column.reason for column in proposal.columns if column.fate is Fate.LEFT_OUT}
    reasons |= {name: f"cannot be read: {reason}" for name, reason in proposal.profile.unsupported.items()}
    if not reasons:
        return
    yield ""
    yield "# Left out:"
    yield from (f"#   {quoted(name)}: {_one_line(reason)}." for name, reason in reasons.items())


def _target(candidate: Candidate, options: Mapping[str, object], key: str) -> str:
    if not options and key == "to":
        return _scalar(candidate.ref)
    parts = [f"{key}: {_scalar(candidate.ref)}", *(f"{key}: {_value(value)}" for key, value in options.items())]
    return f"{{{', '.join(parts)}}}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(json.dumps(item, ensure_ascii=False) for item in value)}]"
    return _scalar(str(value))


def _scalar(text: str) -> str:
    """Write a text so that every reader of YAML takes it for this text."""
    if _PLAIN.fullmatch(text) and not _TAKEN.fullmatch(text):
        return text
    # JSON's escapes are YAML's; what a person cannot see is escaped too, and no surrogate pair is left in halves.
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escaped(char) for char in shown)


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _sentence(text: str) -> str:
    line = _one_line(text)
    return f"{line[:1].upper()}{line[1:]}."


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text).rstrip(".")
