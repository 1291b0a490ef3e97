"""Reading and writing files: one bounded reader, whole and atomic writes, TOML and JSON texts, placement of files."""
