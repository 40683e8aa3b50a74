"""The files of a run, each with its type."""
