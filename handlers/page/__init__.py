"""The page at `/`, on which people talk to the model in their browser."""
