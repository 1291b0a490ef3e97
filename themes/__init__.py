"""The themes shipped with tmplan: one TOML file a theme."""
