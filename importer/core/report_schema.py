"""The JSON Schema of `report.json` and of what `--json` prints."""

from __future__ import annotations

from typing import Any, Final

from importer.core.report import FinalState, Report
from importer.core.report_parts import ErrorReport

SCHEMA_ID: Final = "https://json-schema.org/draft/2020-12/schema"


def report_json_schema() -> dict[str, Any]:
    """Return a JSON Schema with two alternatives: the report of a run, and `empty_report` where there was none."""
    schema = Report.model_json_schema(mode="serialization", ref_template="#/$defs/{model}")
    definitions = schema.pop("$defs") | {"ErrorReport": ErrorReport.model_json_schema(mode="serialization")}
    names = [state.value for state in FinalState]
    count = {"type": "integer", "minimum": 0}
    schema["properties"]["outcomes"] = {
        "type": "object",
        "properties": dict.fromkeys(names, count),
        "required": names,
        "additionalProperties": False,
    }
    no_run = {
        "type": "object",
        "description": "Printed by --json when a command ends before a run exists.",
        "properties": {name: {"type": "null"} for name in Report.model_fields} | {"error": _ref("ErrorReport")},
        "required": list(Report.model_fields),
        "additionalProperties": False,
    }
    return {
        "$schema": SCHEMA_ID,
        "title": "memory-importer report",
        "oneOf": [_ref("Report"), _ref("NoRun")],
        "$defs": definitions | {"Report": schema, "NoRun": no_run},
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}
