"""Terminal input, minimal terminal output, and the layout of panes."""
