"""The edited document: fields and their inputs, bounds on the axes, and the plan file that stores them."""
