"""What the commands of single operations share: opening the store, tables and JSON. Imported only once used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
import rich_click as click
from rich.cells import cell_len

from importer.cli import signals
from importer.cli.environ import settings_of
from importer.errors import ApiError, ConfigError, RejectedRequestError, RunInterrupted, SettingsError
from importer.memory_api.paging import Order, Page, PageRequest
from importer.ports import Accepted, OperationStatus
from importer.reports.plain_text import printable
from importer.wiring.by_hand import ByHand, is_running, open_by_hand

T = TypeVar("T")

_ORDERS: Final[Mapping[str, Order]] = {"newest": "DESC", "oldest": "ASC"}
_LONGEST_BODY: Final = 16 * 1024 * 1024
_LONGEST_VALUE: Final = 4096


@contextmanager
def opened(given: Mapping[str, Any], *, needs_store: bool = True) -> Iterator[tuple[ByHand, signals.Signals]]:
    """Open the store that the options name; an error names its request.

    Args:
        given: Options.
        needs_store: Whether what is done belongs to a store.
    """
    with signals.taken() as taken:
        try:
            settings = settings_of(given)
            with open_by_hand(
                settings, emulator=bool(given["emulator"]), needs_store=needs_store, wait=taken.stop.wait
            ) as hand:
                yield hand, taken
        except ApiError as error:
            explain(error)
            raise
        except RunInterrupted:
            raise RunInterrupted(
                "stopped by a signal",
                hint="what was printed was done; look before you do the rest again",
                context={"exit_code": taken.exit_code},
            ) from None


def explain(error: ApiError) -> None:
    """Name the request of an error, which the service's own log has as well, and where its code is explained."""
    if error.request_id:
        error.message = f"{error.message}, request {error.request_id}"
        error.args = (error.message,)
    if not error.hint and isinstance(error, RejectedRequestError):
        more = f"; see https://www.twilio.com/docs/errors/{error.code}" if error.code else ""
        error.hint = f"the service found something wrong with it and did nothing: check names, types and values{more}"


def emit(document: object) -> None:
    """Print one JSON document on one line."""
    click.echo(orjson.dumps(document).decode())


def show(document: Mapping[str, object], lines: Iterable[str], *, as_json: bool) -> None:
    """Print one answer: as one JSON document, or as lines for people."""
    if as_json:
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        for line in lines:
            click.echo(_legible(line))


def show_listed(
    given: Mapping[str, Any],
    found: Iterable[T],
    document: Callable[[T], Mapping[str, object]],
    cells: Callable[[T], Sequence[object]],
    head: Sequence[str] = (),
) -> None:
    """Print a list: one JSON document a line as they come, a table for people; say if there is more.

    Args:
        given: Options of `hand_options.listed`.
        found: One more than `--limit` says, where there is more.
        document: An entry as JSON.
        cells: An entry as cells of the table.
        head: Names of the columns; without any, a list of one column that other commands can read.
    """
    entries = iter(found)
    shown = entries if given["everything"] else islice(entries, given["limit"])
    if given["as_json"]:
        for entry in shown:
            emit(document(entry))
    elif head:
        show_table(head, [cells(entry) for entry in shown])
    else:
        for entry in shown:
            click.echo(_legible(str(cells(entry)[0])))
    if not given["everything"] and next(entries, None) is not None:
        click.echo(f"there are more than {given['limit']}: --limit N or --all", err=True)


def read_list(hand: ByHand, given: Mapping[str, Any], read: Callable[[PageRequest], Page[T]], most: int) -> Iterator[T]:
    """Yield the entries that `show_listed` takes.

    Args:
        hand: The open store.
        given: Options of `hand_options.listed`.
        read: Reads one page.
        most: Largest page of this list.
    """
    limit = None if given["everything"] else given["limit"] + 1
    return hand.listed(read, limit=limit, most=most, order=_ORDERS[given["order"]])


def show_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: plain text that neither wraps nor cuts, wherever it goes."""
    texts = [list(head), *([_legible("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _legible(text: str) -> str:
    return printable(text, getattr(sys.stdout, "encoding", None) or "utf-8")


def value_text(value: object) -> str:
    """Return a trait's value as people read it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def show_accepted(taken: Accepted, what: str, given: Mapping[str, Any], asked: str | None = None) -> None:
    """Say that something was accepted: by which request, and about which profile.

    Args:
        taken: The answer.
        what: What was accepted.
        given: Options.
        asked: The profile that was named.
    """
    merged = taken.profile_id is not None and asked is not None and taken.profile_id != asked
    document = {
        "accepted": True,
        "profile_id": taken.profile_id,
        "merged_from": asked if merged else None,
        "operation_id": taken.operation_id,
        "request_id": taken.request_id,
    }
    show(
        {name: value for name, value in document.items() if value is not None},
        _accepted(taken, what, asked if merged else None),
        as_json=given["as_json"],
    )


def _accepted(taken: Accepted, what: str, merged: str | None) -> Iterator[str]:
    yield f"accepted: {what}; it is applied later" + (f" (request {taken.request_id})" if taken.request_id else "")
    if merged is not None:
        yield f"{merged} was merged into {taken.profile_id}, which it was done to"
    if taken.operation_id is not None:
        yield f"follow it with `memory-importer operations get {taken.operation_id} --wait`"


def read_body(name: str) -> dict[str, Any]:
    """Read a JSON object from a file, or from standard input.

    Raises:
        SettingsError: it cannot be read, or is something else; nothing of it is quoted.
    """
    where = "standard input" if name == "-" else name
    try:
        content = sys.stdin.buffer.read(_LONGEST_BODY + 1) if name == "-" else Path(name).read_bytes()
        body = orjson.loads(content) if len(content) <= _LONGEST_BODY else None
    except OSError as exc:
        raise SettingsError(f"{where}: cannot be read ({exc.strerror})", hint="check --json-body") from None
    except orjson.JSONDecodeError as exc:
        raise SettingsError(f"{where}: no JSON, from line {exc.lineno} on", hint="check --json-body") from None
    if not isinstance(body, dict):
        raise SettingsError(f"{where}: not one JSON object of at most 16 MiB", hint='it looks like {"traits": {...}}')
    return body


def read_value(text: str) -> str:
    """Return an identifier value, from standard input where it is ``-``.

    Raises:
        ConfigError: standard input holds none.
    """
    value = sys.stdin.read(_LONGEST_VALUE).strip() if text == "-" else text
    if not value:
        raise ConfigError("no value was given", hint="give it, or - and write it to standard input")
    return value


def one_of(given: Mapping[str, Any], *names: str) -> None:
    """Refuse a body beside arguments that say the same, and neither.

    Raises:
        ConfigError: both were given, or nothing.
    """
    if given["json_body"] and any(given[name] for name in names):
        raise ConfigError("--json-body is the whole body; give nothing beside it", hint="leave one of them out")
    if not given["json_body"] and not any(given[name] for name in names):
        raise ConfigError("nothing to send", hint="say what, or give --json-body; see --help")


def finished_code(status: str) -> int:
    """Return what a command exits with that waited for something."""
    if status == "COMPLETED":
        return 0
    return 5 if is_running(status) else 3


def operation_lines(seen: OperationStatus, operation_id: str) -> Iterator[str]:
    """Say how an operation stands."""
    yield f"{operation_id}: {seen.status}"
    times = {"created": seen.created_at, "completed": seen.completed_at}
    yield from (f"  {name} {moment}" for name, moment in times.items() if moment)
    if seen.errors is not None:
        yield f"  errors {seen.errors:,}, warnings {seen.warnings or 0:,}"
    if seen.error_code is not None:
        yield f"  error code {seen.error_code} (https://www.twilio.com/docs/errors/{seen.error_code})"


def follow(hand: ByHand, operation_id: str, timeout_s: float) -> OperationStatus:
    """Wait until an operation is done, and return what was seen last."""
    client = hand.client
    return hand.finished(lambda: client.operations.get(operation_id), lambda seen: seen.status, timeout_s)


def as_document(value: Any) -> dict[str, Any]:
    """Return a typed answer as JSON, without what is empty."""
    return {name: member for name, member in asdict(value).items() if member is not None}
