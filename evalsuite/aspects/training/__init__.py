"""Recipes; never imported by the command line."""
