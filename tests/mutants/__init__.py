"""Mutants: lines of the code broken one at a time, to see which tests notice. `python -m tests.mutants planner/cost` runs them."""
