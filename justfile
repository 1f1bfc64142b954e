# `just` alone lists the recipes. It comes from PyPI (rust-just) with the dev extra.
bin := if path_exists(".venv/bin/python") == "true" { ".venv/bin/" } else { "" }

default:
    @just --list

# everything that must be green before a change lands
check: lint test coverage-core smoke

# format, lint, types, layers
lint:
    {{bin}}ruff format --check .
    {{bin}}ruff check .
    {{bin}}mypy
    {{bin}}lint-imports

# mend what a tool can mend
fix:
    {{bin}}ruff check --fix .
    {{bin}}ruff format .

test *args:
    {{bin}}python -m pytest {{args}}
