"""The table of operations is whole, everything that it names is there, and its page is up to date."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from typing import Any, Final

import httpx
import pytest
import rich_click as click

from importer.cli.main import cli
from importer.emulator.app import ENDPOINTS
from importer.memory_api.client import ClientOptions, MemoryClient
from tests.api_coverage import LINES, PAGE, Line, all_tests, page
from tests.support.by_hand import COMMANDS
from tests.support.cli import ROOT
from tests.support.client import STORE
from tests.support.operations import CALLS, Ids, documented

OPERATIONS: Final = {each.operation_id: each for each in documented()}


def test_the_page_is_up_to_date() -> None:
    """If this fails: `python -m tests.api_coverage`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_operation_of_the_contract_has_one_line() -> None:
    """And a call of the client, a command and a route; nothing else has."""
    named = [line.operation_id for line in LINES]
    assert sorted(named) == sorted(OPERATIONS)
    assert CALLS.keys() == COMMANDS.keys() == ENDPOINTS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.operation_id)
def test_a_line_names_what_is_there(line: Line) -> None:
    """A method of the client, a command that is registered, the route that the emulator has."""
    with MemoryClient("http://127.0.0.1:9", STORE, ("a", "b")) as client:
        found: Any = client
        for name in line.client.split("."):
            found = getattr(found, name)
        assert callable(found)
    command: click.Command | None = cli
    for word in line.command.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert isinstance(command, click.Command)
    assert not isinstance(command, click.Group)
    words = line.command.split()
    assert list(COMMANDS[line.operation_id](Ids()))[: len(words)] == words
    route = ENDPOINTS[line.operation_id]
    assert f"{route.__module__}.{route.__name__}" == f"importer.emulator.{line.route}"


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.operation_id)
def test_the_method_of_a_line_makes_the_request_of_its_operation(line: Line) -> None:
    """That method alone, with the method and the path of the contract."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(418, stream=httpx.ByteStream(b"{}"))

    called: list[str] = []
    options = ClientOptions(transport=httpx.MockTransport(answer))
    with (
        MemoryClient("http://127.0.0.1:9", STORE, ("a", "b"), options) as client,
        pytest.raises(Exception, match="418"),
    ):
        CALLS[line.operation_id](_Watched(client, called), Ids())  # type: ignore[arg-type]  # it passes calls on
    assert called == [line.client]
    (request,) = seen
    operation = OPERATIONS[line.operation_id]
    path = re.sub(r"\{\w+\}", "[^/]+", operation.path)
    assert request.method == operation.method
    assert re.fullmatch(path, request.url.path)


class _Watched:
    """Passes calls on to a client, and keeps their names."""

    def __init__(self, inner: object, called: list[str], prefix: str = "") -> None:
        self._inner, self._called, self._prefix = inner, called, prefix

    def __getattr__(self, name: str) -> _Watched:
        return _Watched(getattr(self._inner, name), self._called, f"{self._prefix}{name}.")

    def __call__(self, *given: Any, **named: Any) -> Any:
        self._called.append(self._prefix.rstrip("."))
        assert callable(self._inner)
        return self._inner(*given, **named)


@cache
def functions_of(file: str) -> frozenset[str]:
    """Return the names of the functions of a test module."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@cache
def parameters_of(file: str, function: str) -> frozenset[str]:
    """Return what a test is run with, where that is one text each."""
    module = import_module(file.removesuffix(".py").replace("/", "."))
    marks = [mark for mark in getattr(module, function).pytestmark if mark.name == "parametrize"]
    return frozenset(str(value) for mark in marks for value in mark.args[1])


def test_every_test_that_is_named_is_there() -> None:
    """File, function and parameter."""
    missing = []
    for test in all_tests():
        file, _, name = test.partition("::")
        function, _, parameter = name.rstrip("]").partition("[")
        is_there = function in functions_of(file) and (not parameter or parameter in parameters_of(file, function))
        missing += [] if is_there else [test]
    assert missing == []
