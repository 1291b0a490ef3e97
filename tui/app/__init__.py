"""The program: panes, pages, keys and files put together."""
