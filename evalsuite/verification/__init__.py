"""Checks of a run folder against itself, each in a file of its own; `evalsuite.verify` puts them together."""
