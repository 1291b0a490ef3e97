"""A person's settings: configuration, keys and themes."""
