"""The recipe of the bundled model: `train` makes it; `export`, `evaluate` and `card` write, measure and describe it."""
