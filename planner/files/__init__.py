"""Files: one bounded reader, atomic writing, symbolic links, and the decoding of TOML and JSON."""
