"""The command line: parse, wire, call, render, exit; nothing else."""
