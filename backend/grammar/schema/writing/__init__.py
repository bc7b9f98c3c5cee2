"""Normal forms written into a graph: the order of properties, white space, and what must be remembered of names."""
