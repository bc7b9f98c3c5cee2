"""The recipe of the bundled model that sees and hears: `train` makes it; `evaluate` and `card` tell how well."""
