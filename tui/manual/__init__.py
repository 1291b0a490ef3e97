"""The manual: pages of `docs/` generated from the registries, so that they match the program. `python -m tui.manual` writes them."""
