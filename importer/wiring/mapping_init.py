"""`mapping init`: a source, and perhaps a store, to a mapping file somebody can begin with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from importer.core.mapping_propose import Proposal, propose_mapping
from importer.core.mapping_text import mapping_text
from importer.errors import SettingsError, StateError
from importer.files import write_whole
from importer.ports import SourceOptions
from importer.settings import Settings
from importer.wiring.inspecting import InspectRequest, inspect
from importer.wiring.looking import store_schema
from importer.wiring.requests import Hooks


@dataclass(frozen=True)
class InitRequest:
    """What a mapping is proposed for.

    Attributes:
        source: Paths or patterns, or ``-``.
        settings: Names the store, if one is to be matched.
        emulator: Match the traits of the local service.
        schema_file: Match the traits in this file, which `schema pull` wrote.
        source_options: How to read the source.
        sample_rows: Look at the first rows only, so many; all of them if None.
        output: File to write; none if None.
        force: Write over a file that is there.
    """

    source: tuple[str, ...]
    settings: Settings
    emulator: bool = False
    schema_file: Path | None = None
    source_options: SourceOptions = field(default_factory=SourceOptions)
    sample_rows: int | None = None
    output: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class Proposed:
    """A proposal and its file.

    Attributes:
        proposal: What is proposed, column by column.
        text: The mapping file.
    """

    proposal: Proposal
    text: str


def propose(request: InitRequest, hooks: Hooks | None = None) -> Proposed:
    """Propose a mapping, and write it where an output is named.

    Raises:
        SettingsError: the output is there already or cannot be written, two stores are named, or nothing can be mapped.
        SourceError: the source cannot be read as a table.
        ApiError: the store could not be read.
        RunInterrupted: somebody asked to stop.
    """
    if request.emulator and request.schema_file is not None:
        raise SettingsError("--emulator and --schema name two stores", hint="give one of them")
    if request.output is not None:
        _check_output(request.output, request)
    schema = None
    if request.emulator or request.schema_file is not None or request.settings.store_id is not None:
        schema = store_schema(request.settings, emulator=request.emulator, schema_file=request.schema_file)
    profile = inspect(InspectRequest(request.source, request.source_options, request.sample_rows), hooks)
    proposal = propose_mapping(profile, schema, read_as=_read_as(request.source_options))
    if not proposal.mapped:
        hint = "leave the store out, and usual names are proposed" if schema is not None else "`inspect` says more"
        raise SettingsError("no column of the source can be mapped", hint=hint)
    text = mapping_text(proposal, str(request.output or "mapping"))
    if request.output is not None:
        try:
            write_whole(request.output, text.encode())
        except StateError as error:  # it is no state of a run here, but a name that somebody gave
            raise SettingsError(error.message, hint="give another --output") from error
    return Proposed(proposal, text)


def _check_output(output: Path, request: InitRequest) -> None:
    """Refuse, before anything is read, to write over what is there."""
    if not output.exists():
        return
    for name in request.source:
        with suppress(OSError):
            if output.samefile(name):
                raise SettingsError(f"{output} is the source", hint="give another --output")
    if not request.force:
        raise SettingsError(f"{output} is there already", hint="give --force to write over it, or another --output")


def _read_as(options: SourceOptions) -> Mapping[str, object]:
    """Return the options of reading that differ from the usual, as the mapping writes them."""
    usual = SourceOptions()
    given = {name: getattr(options, name) for name in ("delimiter", "encoding", "skip_lines")}
    differing = {name: value for name, value in given.items() if value != getattr(usual, name)}
    return {name: "tab" if value == "\t" else value for name, value in differing.items()}
