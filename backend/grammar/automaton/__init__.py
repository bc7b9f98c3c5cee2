"""From a network over bytes to the deterministic pushdown automaton and its tables; knows nothing of schemas."""
