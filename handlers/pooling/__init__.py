"""Texts without an answer: POST /v1/embeddings makes vectors of them, POST /classify says of which class each is."""
