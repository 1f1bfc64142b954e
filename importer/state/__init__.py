"""What a run keeps on disk: its folder, package, ledger and lock."""
