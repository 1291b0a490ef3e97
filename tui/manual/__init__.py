"""The manual: pages of `docs/` made from the registries, so that they say what the program does. `python -m tui.manual` writes them."""
