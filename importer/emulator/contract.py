"""The API contract, read from this package's own copy of the OpenAPI file.

Everything a request must satisfy by shape is decided here, by validators compiled once from that file:
path patterns, query parameters, body schemas. What depends on the store's trait groups is `values`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs
import orjson

from importer.emulator.problems import Code, Fault, RefusedError, invalid_request

METHODS = ("get", "post", "put", "patch", "delete")
_BOOLEANS = {"true": True, "false": False}

Json = Any


@cache
def load_document() -> dict[str, Any]:
    """Return the OpenAPI document as plain values.

    It is kept as `openapi.yaml`; `openapi.json`, made from it, says the same and is read several hundred times as fast.
    """
    document: dict[str, Any] = orjson.loads(resources.files("importer.emulator").joinpath("openapi.json").read_bytes())
    return document


def compile_schema(schema: Mapping[str, Any]) -> jsonschema_rs.Draft4Validator:
    """Compile a schema of the contract; its references are resolved within the document.

    Draft 4 is the ancestor of OpenAPI 3.0 schemas, and takes `1.0` for a number rather than an integer.
    """
    rooted = {"allOf": [schema], "components": load_document()["components"]}
    return jsonschema_rs.Draft4Validator(rooted, pattern_options=jsonschema_rs.RegexOptions())


@dataclass(frozen=True, slots=True)
class Parameter:
    """One path, query or header parameter with its compiled schema."""

    name: str
    kind: str
    default: Json
    validator: jsonschema_rs.Draft4Validator

    def read(self, text: str) -> Json:
        """Return the typed value of a parameter's text, or raise the refusal."""
        value: Json = text
        if self.kind == "integer" and text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 20:
            value = int(text)
        elif self.kind == "boolean":
            value = _BOOLEANS.get(text, text)
        if not self.validator.is_valid(value):
            raise invalid_request(f"parameter {self.name} is not valid")
        return value


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    operation_id: str
    method: str
    path: str
    parameters: Mapping[str, Parameter]
    query: Mapping[str, Parameter]
    body: jsonschema_rs.Draft4Validator | None

    def read_path(self, texts: Mapping[str, str]) -> dict[str, Json]:
        """Return the path's parameters; a malformed store ID has a code of its own."""
        values: dict[str, Json] = {}
        for name, text in texts.items():
            try:
                values[name] = self.parameters[name].read(text)
            except RefusedError as refusal:
                if name != "storeId":
                    raise
                raise RefusedError(400, Code.INVALID_STORE_ID, "the store ID is not valid") from refusal
        return values

    def read_query(self, pairs: Sequence[tuple[str, str]]) -> dict[str, Json]:
        """Return the query's parameters with defaults; unknown and repeated ones are refused."""
        values = {name: parameter.default for name, parameter in self.query.items()}
        seen: set[str] = set()
        for name, text in pairs:
            if name not in self.query:
                raise invalid_request("the query has an unknown parameter")
            if name in seen:
                raise invalid_request(f"parameter {name} is given twice")
            seen.add(name)
            values[name] = self.query[name].read(text)
        return values

    def read_body(self, raw: bytes, content_type: str) -> Json:
        """Return the body as plain values, or raise the refusal with every place that is wrong."""
        if self.body is None:
            return None
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise invalid_request("the body must be application/json")
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise invalid_request("the body is not well-formed JSON") from error
        if not self.body.is_valid(value):
            faults = [Fault(to_pointer(e.instance_path), describe(e)) for e in self.body.iter_errors(value)]
            raise invalid_request(f"the body is not valid: {faults[0].detail}", faults)
        return value


def to_pointer(path: Sequence[str | int]) -> str:
    """Return a JSON pointer in the URI fragment form that RFC 9457 shows."""
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def describe(error: jsonschema_rs.ValidationError) -> str:
    """Say which rule failed, without the value that broke it (the library's own message quotes it)."""
    rule = error.kind.name
    if rule == "required":
        return "a required property is missing"
    return f"the rule {rule} is not met"


@cache
def load_operations() -> tuple[Operation, ...]:
    """Return every operation of the contract, paths with fixed words before paths with parameters."""
    document = load_document()
    found = [
        _build_operation(path, method, item)
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]
    return tuple(sorted(found, key=lambda operation: operation.path.replace("{", "~")))


def _build_operation(path: str, method: str, item: Mapping[str, Any]) -> Operation:
    definition = item[method]
    declared = [_resolve(entry) for entry in [*item.get("parameters", []), *definition.get("parameters", [])]]
    content = definition.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return Operation(
        operation_id=definition["operationId"],
        method=method.upper(),
        path=path,
        parameters={p["name"]: _build_parameter(p) for p in declared if p["in"] == "path"},
        query={p["name"]: _build_parameter(p) for p in declared if p["in"] == "query"},
        body=None if schema is None else compile_schema(schema),
    )


def _build_parameter(entry: Mapping[str, Any]) -> Parameter:
    schema = _resolve(entry["schema"])
    return Parameter(entry["name"], schema.get("type", "string"), schema.get("default"), compile_schema(schema))


def _resolve(node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        target: Any = load_document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node
