"""The campaigns, one module each."""
