"""The normal form: sets of values by JSON type, as unions of shapes with conjunction, complement and emptiness."""
