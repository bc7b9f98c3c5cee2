"""Normal forms written into a graph: dialects, order of properties, white space, what must be remembered of names."""
