"""Every valid plan: axes, rules, the lattice that grows them, blocks of them evaluated, and the fastest alone."""
