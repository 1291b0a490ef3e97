"""How a number explains itself: @formula, tracing, every symbol with its unit, units as text, the bibliography."""
