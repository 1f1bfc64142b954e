"""`emulator`."""

from __future__ import annotations

import rich_click as click

from importer.cli import startup
from importer.cli.options import choice, help_as_written, seconds


@click.command("emulator")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=0, help="Port of the API; any free one if 0."
)
@click.option(
    "--db", metavar="FILE", default="memory-emulator.db", show_default=True, help="SQLite file that keeps the store."
)
@click.option("--store", "store_id", metavar="ID", help="Store ID to serve.")
@click.option(
    "-m", "--mapping", type=click.Path(dir_okay=False), help="Give the store what this mapping needs and it lacks."
)
@choice("--clash", "merge", "first-match", "skip", about="What happens when identifiers of one profile match several.")
@choice(
    "--bad-profile",
    "refuse-batch",
    "accept-then-drop",
    about="A bad profile refuses its whole batch, or is dropped behind a 202.",
)
@click.option("--error-pointers", is_flag=True, help="400 answers name the profiles that caused them.")
@click.option("--no-status-url", is_flag=True, help="Bulk answers carry no operation to poll.")
@seconds("--apply-delay", "apply_delay_s", "Apply what was accepted so many seconds later.")
@click.option(
    "--drop-every",
    metavar="N",
    type=click.IntRange(1),
    help="Silently lose every N-th profile behind a 202; `verify` finds them.",
)
@click.option("--max-rps", metavar="RATE", type=click.FloatRange(0, min_open=True), help="Answer 429 above this rate.")
@click.option("--burst", metavar="N", type=click.IntRange(1), help="Requests at once before --max-rps counts.")
@click.option("--fault", "faults", metavar="FAULT", multiple=True, help="Switch a fault on, see above; repeatable.")
@click.option("--events", metavar="FILE", help="Append the service's event log to this file, NDJSON, mode 0600.")
@help_as_written
def emulator_command(
    port: int,
    db: str,
    store_id: str | None,
    mapping: str | None,
    clash: str,
    bad_profile: str,
    error_pointers: bool,
    no_status_url: bool,
    apply_delay_s: float,
    drop_every: int | None,
    max_rps: float | None,
    burst: int | None,
    faults: tuple[str, ...],
    events: str | None,
) -> None:
    """Run the local Conversation Memory service until it is stopped.

    It listens on loopback only and keeps its store in an SQLite file. When it is
    ready it prints one JSON line: api_url, bucket_url, store_id, pid. Any
    credentials do:

        memory-importer emulator --db try.db -m customers.yaml
        export TWILIO_API_KEY=any TWILIO_API_SECRET=any
        export MEMORY_API_URL=... MEMORY_STORE_ID=...
        memory-importer import customers.csv -m customers.yaml

    To only try an import, `import --emulator` is the shorter way.

    A FAULT is what goes wrong, and then KEY=VALUE pairs that say when:

        429 503 500 401 ...   the answer is that error
        reset hang slow truncated html
                              the answer is lost, late or broken
        expired-url import-stuck import-failed import-errors
                              an import goes wrong
        drop late-refusal     an accepted profile is lost or refused

        skip=N every=N count=N probability=P seed=N
                              which of the requests (imports, profiles)
        operations=A+B        of these operations alone; Upload is one
        after=true            the work is done all the same
        retry_after= status= code= delay_s= errors= warnings=

        --fault 429,count=3,retry_after=2
        --fault reset,operations=UpdateProfilesBulk,after=true,every=5
        --fault reset,operations=Upload,count=1
        --fault 401,skip=20

    While it runs, faults are switched at API_URL/_emulator/faults: GET, POST
    with the same as a JSON object, DELETE. docs/emulator.md has all of it.
    """
    import orjson  # noqa: PLC0415 - start-up stays quick

    from importer.wiring.local_service import serve_emulator  # noqa: PLC0415 - the same

    settings: dict[str, object] = {
        "port": port,
        "clash": clash,
        "bad_profile": bad_profile,
        "error_pointers": error_pointers,
        "status_url": not no_status_url,
        "apply_delay_s": apply_delay_s,
        "drop_every": drop_every,
        "max_requests_per_s": max_rps,
        "burst": burst,
        "faults": faults,
        "events": events,
    }
    if store_id is not None:
        settings["store_id"] = store_id
    startup.end()
    serve_emulator(db, settings, mapping=mapping, on_ready=lambda facts: click.echo(orjson.dumps(facts).decode()))
