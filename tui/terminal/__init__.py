"""The terminal: its input, its output as few bytes, and the layout of panes."""
