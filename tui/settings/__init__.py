"""User settings: configuration file, keys and themes."""
