"""Sources: files read as rows of text, each with its exact row number and physical line."""

from importer.sources.open import open_source

__all__ = ["open_source"]
