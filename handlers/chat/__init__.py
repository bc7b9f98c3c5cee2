"""POST /v1/chat/completions: from a valid body to the engine, and from what it draws to the answer."""
