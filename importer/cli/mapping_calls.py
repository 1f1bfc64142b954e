"""Options of the `mapping` commands to requests, and what they found to the screen."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import rich_click as click

from importer.cli.calls import hooks_of, read_options, request_of
from importer.cli.environ import settings_of
from importer.core.inspect import SENSITIVE
from importer.core.limits import MIN_VALUES_PER_ROW
from importer.core.mapping_cases import CaseResult
from importer.core.mapping_checks import quoted
from importer.core.mapping_drift import identifier_text, rule_text
from importer.core.mapping_propose import Fate, Proposal
from importer.core.schema import StoreSchema
from importer.core.transform import TraitPlan
from importer.errors import MappingError
from importer.wiring.mapping_cases import run_mapping_tests
from importer.wiring.mapping_check import MappingCheck, check_mapping
from importer.wiring.mapping_init import InitRequest, propose

_NOT_IN_MAPPINGS: Final = ("query", "sheet", "max_field")
"""Options of reading a source that a proposed mapping does not write down."""


def call_init(given: Mapping[str, Any]) -> None:
    """Propose a mapping: its text goes to standard output or to a file, what to know of it to standard error."""
    request = InitRequest(
        source=tuple(given["source"]),
        settings=settings_of(given),
        emulator=bool(given["emulator"]),
        schema_file=Path(given["schema_file"]) if given["schema_file"] else None,
        source_options=read_options(given),
        sample_rows=given["sample_rows"],
        output=Path(given["output"]) if given["output"] else None,
        force=given["force"],
    )
    with hooks_of(given) as hooks:
        proposed = propose(request, hooks)
    if request.output is None:
        click.echo(proposed.text, nl=False)
    for line in _told(proposed.proposal, given["output"] or "mapping"):
        click.echo(line, err=True)
    if request.output is not None:
        words = ["memory-importer", "validate", *request.source, "-m", given["output"], *_same_store(given)]
        # Named alone: a query or parameter may hold what is in a cell, an option of a driver a password.
        same = [f"--{name.replace('_', '-')}" for name in _NOT_IN_MAPPINGS if given.get(name)]
        again = f" with the same {', '.join(same)}" if same else ""
        click.echo(f"next: read it through, then: {shlex.join(words)}{again}", err=True)


def _same_store(given: Mapping[str, Any]) -> list[str]:
    """Return the options that name what traits were matched with; the emulator where nothing was."""
    if given["schema_file"]:
        return ["--schema", given["schema_file"]]
    if given["store"] and not given["emulator"]:
        return ["--store", given["store"]]
    return ["--emulator"]


def _told(proposal: Proposal, name: str) -> Iterator[str]:
    counts = {fate: sum(column.fate is fate for column in proposal.columns) for fate in Fate}
    yield (
        f"{name}: {counts[Fate.MAPPED]:,} of {len(proposal.columns):,} columns mapped, "
        f"{counts[Fate.DOUBTFUL]:,} left as TODO, {counts[Fate.LEFT_OUT]:,} left out"
    )
    if not proposal.has_identifier:
        yield "note: no identifier was found; until a column is mapped to one, no row can be sent (see the TODO)"
    if len(proposal.mapped) < MIN_VALUES_PER_ROW:
        yield "note: one column is mapped, and a row needs two values: map another one"
    if proposal.key is None:
        yield "note: no column names each row; see the TODO under `source`"
    sensitive = [column.name for column in proposal.profile.columns if column.guess.meaning in SENSITIVE]
    if sensitive:
        yield f"warning: left out as sensitive: {', '.join(map(quoted, sensitive))}"


def call_check(given: Mapping[str, Any]) -> None:
    """Check a mapping and print what was found.

    Raises:
        MappingError: it cannot run; with `--json` all of it is on standard output, and the exit code says it.
    """
    request = request_of(given)
    found = check_mapping(request)
    name = str(request.mapping_path)
    if given["as_json"]:
        click.echo(orjson.dumps(_as_json(found, name), option=orjson.OPT_INDENT_2).decode())
        if found.problems:
            raise SystemExit(2)
        return
    for line in _check_lines(found, name, with_source=bool(request.source)):
        click.echo(line)
    if found.problems:
        raise MappingError(found.problems, name=name)


def _check_lines(found: MappingCheck, name: str, *, with_source: bool) -> Iterator[str]:
    if found.plan is not None and found.schema is not None:
        yield f"{name}: fits {'the source and ' if with_source else ''}the store {found.schema.store_name}"
        for trait in found.plan.traits:
            yield f"  {_filled_by(trait)} -> {trait.ref} ({_described(trait, found.schema)})"
    elif not found.problems:
        yield f"{name}: no problems in the file itself"
    for drift in found.drift:
        place = f"line {drift.line}: " if drift.line is not None else ""
        fix = f" ({drift.fix})" if drift.fix else ""
        yield f"{'warning' if drift.is_warning else 'note'}: {place}{drift.message}{fix}"
    yield from (f"note: {note}" for note in found.notes)


def _filled_by(trait: TraitPlan) -> str:
    return trait.column or ("computed" if trait.constant is None else "constant")


def _described(trait: TraitPlan, schema: StoreSchema) -> str:
    parts = [trait.data_type.value, rule_text(trait.rule)]
    if trait.id_type is not None:
        parts.append(f"identifier {trait.id_type}: {identifier_text(trait.id_type, schema)}")
    return "; ".join(part for part in parts if part)


def _as_json(found: MappingCheck, name: str) -> dict[str, object]:
    traits = found.plan.traits if found.plan is not None else ()
    return {
        "mapping": name,
        "store_id": found.schema.store_id if found.schema is not None else None,
        "can_run": not found.problems,
        "problems": [{"line": item.line, "message": item.message, "fix": item.fix} for item in found.problems],
        "traits": [
            {
                "trait": trait.ref,
                "column": trait.column,
                "type": trait.data_type.value,
                "identifier": trait.id_type,
                "rule": rule_text(trait.rule) or None,
            }
            for trait in traits
        ],
        "drift": [
            {
                "kind": item.kind.value,
                "is_warning": item.is_warning,
                "about": item.about,
                "line": item.line,
                "message": item.message,
                "fix": item.fix,
            }
            for item in found.drift
        ],
        "notes": list(found.notes),
    }


def call_test(given: Mapping[str, Any]) -> int:
    """Run a mapping's tests, print what came out, and return the exit code: 3 if one failed."""
    request = request_of({**given, "source": ()})
    results = run_mapping_tests(request)
    if given["as_json"]:
        click.echo(orjson.dumps(_results_json(results, given["mapping"]), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in _result_lines(results, given["mapping"]):
            click.echo(line)
    return 0 if all(result.passed for result in results) else 3


def _result_lines(results: tuple[CaseResult, ...], name: str) -> Iterator[str]:
    for result in results:
        place = f" (line {result.line})" if result.line is not None and not result.passed else ""
        yield f"{'passed' if result.passed else 'FAILED'}  {result.name}{place}"
        for item in result.differences:
            yield f"        {item.about}: expected {item.expected}, is {item.actual}"
    failed = sum(not result.passed for result in results)
    yield f"{name}: {len(results) - failed:,} of {len(results):,} tests passed"


def _results_json(results: tuple[CaseResult, ...], name: str) -> dict[str, object]:
    return {
        "mapping": name,
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "tests": [
            {
                "name": result.name,
                "line": result.line,
                "passed": result.passed,
                "differences": [
                    {"about": item.about, "expected": item.expected, "actual": item.actual}
                    for item in result.differences
                ],
            }
            for result in results
        ],
    }
