"""Campaigns: thousands of inputs made by chance from a seed, each judged by what tmplan promises, not by what it did yesterday.

`python -m tests.fuzz --seconds 600 --seed 1` runs them all and prints what was found, each fault with its shortest reproduction. A
campaign is one module of `tests/fuzz/campaigns/`: it draws an input, checks it, and registers itself under a name.
"""
