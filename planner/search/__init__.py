"""Search of valid plans: axes, rules, the lattice, its evaluation in blocks, and the fastest plan by branch and bound."""
