"""What a run is about to send that the service is not for: card numbers, national identity numbers, health data.

Traits that a mapping fills are judged by the names of column and trait and by a sample of what would be sent; columns
that are not mapped are not sent, so nothing is said of them. A note names column and trait, never a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from importer.core.inspect import Guess, Meaning
from importer.core.inspect_sensitive import sensitive_guesses
from importer.core.inspect_words import header_says
from importer.core.mapping_checks import quoted
from importer.core.transform import TraitPlan, TransformPlan

SENSITIVE_NOTE: Final = "sensitive data: "
"""What the note begins with."""

NOT_FOR_IT: Final = "the service is not HIPAA eligible or PCI compliant"

_KINDS: Final = {
    Meaning.CARD_NUMBER: "payment card numbers",
    Meaning.NATIONAL_ID: "national identity numbers",
    Meaning.HEALTH: "health data",
}
_NAMED: Final = 5


def sensitive_notes(plan: TransformPlan, samples: Mapping[str, pl.Series]) -> tuple[str, ...]:
    """Warn of traits that look as if they must not be sent.

    Args:
        plan: Of the run.
        samples: Values that would be sent, by ``Group.trait``; traits without any are judged by their names.

    Returns:
        One note, or none.
    """
    found = list(_found(plan, samples))
    if not found:
        return ()
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    them = "it" if len(found) == 1 else "them"
    return (f"{SENSITIVE_NOTE}{', '.join(found[:_NAMED])}{more}; {NOT_FOR_IT}: take {them} out of the mapping",)


def _found(plan: TransformPlan, samples: Mapping[str, pl.Series]) -> Iterator[str]:
    none = pl.Series([], dtype=pl.String)
    # Of all three together, as each may tell what another means: a card number of Loyalty is none to pay with.
    said = [header_says(" ".join([trait.column or "", trait.group, trait.name])) for trait in plan.traits]
    values = [samples.get(trait.ref, none) for trait in plan.traits]
    for trait, guesses in zip(plan.traits, sensitive_guesses(list(zip(values, said, strict=True))), strict=True):
        if guesses:
            yield _told(trait, max(guesses, key=lambda guess: (not guess.by_name, guess.score)))


def _told(trait: TraitPlan, guess: Guess) -> str:
    source = f"column {quoted(trait.column)} -> {trait.ref}" if trait.column is not None else f"the trait {trait.ref}"
    why = "named so" if guess.by_name else guess.evidence
    return f"{source} looks like {_KINDS[guess.meaning]} ({why})"
