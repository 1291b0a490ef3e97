"""The themes shipped with tmplan: one TOML file per theme."""
