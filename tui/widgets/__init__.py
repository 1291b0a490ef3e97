"""Panes and what opens over them."""
