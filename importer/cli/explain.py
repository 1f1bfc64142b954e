"""`explain CODE`."""

from __future__ import annotations

import rich_click as click

from importer.cli.options import help_as_written


@click.command("explain")
@click.argument("code", required=False, metavar="[CODE]")
@help_as_written
def explain_command(code: str | None) -> None:
    """Say what an issue CODE means and how to mend it; alone it lists all codes.

    Codes are those of issues.csv, issues.parquet and report.json, the findings
    of `inspect` and the repairs of --fix; they never change their meaning.

        memory-importer explain ambiguous-phone
    """
    from importer.errors import ConfigError  # noqa: PLC0415 - start-up stays quick
    from importer.reports.inspect_codes import describe_inspect_code, list_inspect_codes  # noqa: PLC0415 - the same
    from importer.reports.terminal import describe_code, list_codes, nearest_codes  # noqa: PLC0415 - the same

    if code is None:
        click.echo(f"{list_codes()}\n\n{list_inspect_codes()}")
        return
    text = describe_code(code) or describe_inspect_code(code)
    if text is None:
        near = ", ".join(nearest_codes(code))
        raise ConfigError(
            "there is no such issue code",
            hint=f"did you mean {near}?" if near else "`memory-importer explain` lists them",
        )
    click.echo(text)
