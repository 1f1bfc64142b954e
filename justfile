# `just` alone lists the recipes. It comes from PyPI (rust-just) with the dev extra.
bin := if path_exists(justfile_directory() / ".venv/bin/python") == "true" { justfile_directory() / ".venv/bin/" } else { "" }

default:
    @just --list

# everything that must be green before a change lands
check: lint coverage-core smoke

# formatting, lint, types, layers
lint:
    {{bin}}ruff format --check .
    {{bin}}ruff check .
    {{bin}}mypy
    {{bin}}lint-imports

# mend what a tool can mend, and make the pages that are made
fix:
    {{bin}}ruff check --fix .
    {{bin}}ruff format .
    {{bin}}python docs/generate_commands.py
    {{bin}}python docs/generate_issue_codes.py
    {{bin}}python -m tests.api_coverage
    {{bin}}python -m tests.contract_copy

# the tests, README and documentation included
test *args:
    {{bin}}python -m pytest {{args}}

# the tests again with branch coverage: 95 % of the core at least
coverage-core *args:
    {{bin}}python -m pytest --cov=importer.core --cov-branch --cov-report=term:skip-covered --cov-fail-under=95 {{args}}

# the wheel alone, in an environment of its own
smoke:
    #!/usr/bin/env bash
    set -euo pipefail
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    {{bin}}python -m build --wheel --outdir "$work" . > "$work/build.log" || { cat "$work/build.log"; exit 1; }
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet "$work"/*.whl
    cp -r samples mappings "$work"
    cd "$work"
    for file in py.typed emulator/openapi.yaml emulator/openapi.json reports/html/page.html; do
        test -f venv/lib/python3*/site-packages/importer/$file || { echo "$file is not in the wheel" >&2; exit 1; }
    done
    venv/bin/memory-importer --help > /dev/null
    code=0
    venv/bin/memory-importer validate samples/customers.csv --mapping mappings/customers.yaml --emulator > /dev/null || code=$?
    if [ "$code" -ne 3 ]; then echo "validate exited with $code, not with 3" >&2; exit 1; fi
    echo "the wheel works on its own"

# time the stages against a plain scan and against what people would write; half an hour, `--only validate` less
bench *args:
    {{bin}}python -m bench.measure {{args}}

# long runs that the other recipes leave out; the 50,000 simulated runs alone (`-k many_seeds`) take half an hour on 2 cores
soak *args:
    {{bin}}python -m pytest -n 0 -m soak {{args}}

# a simulated run from its seed, as a trace; with two numbers, all seeds from the first to before the second
replay *seeds:
    {{bin}}python -m tests.simulation {{seeds}}

# a local service with what the sample's mapping needs, until Ctrl-C
emulate *args:
    {{bin}}memory-importer emulator --mapping mappings/customers.yaml {{args}}
