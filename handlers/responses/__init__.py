"""POST /v1/responses and what is kept of its answers: OpenAI's newer API as a chat, and a chat's answer as items."""
