"""A file of any size with known flaws, and the list of them, by the standard library alone.

`python -m bench.exactness OUT --rows N --truth TRUTH` writes both; `mapping.yaml` and `store.json` beside this module
are what to validate the file with. Nothing here imports the importer, a table library or a phone library: what is
wrong with a cell is written down by hand in `flaws`, from the project's own description of its checks.
"""
