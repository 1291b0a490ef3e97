"""The document a person edits: fields, inputs, bounds on the axes, and the plan file that holds them."""
