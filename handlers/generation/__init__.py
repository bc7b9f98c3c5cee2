"""What every endpoint does alike: a plan goes to the engine, its deltas come back. Knows no endpoint's request."""
