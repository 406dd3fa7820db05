"""Recipes that made the bundled weights: the embedded world, and the training of every network on it.

Never imported by the command line; needs the `train` extra (resvg_py) and the artwork packs.
"""
