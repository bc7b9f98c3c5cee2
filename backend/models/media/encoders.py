"""The encoder of each family's configuration of media."""

from typing import Any

from backend.models.media.gemma4_unified import Gemma4UnifiedEncoder, Gemma4UnifiedMedia
from backend.models.media.qwen3_vl import Qwen3VLEncoder, Qwen3VLMedia

ENCODERS: dict[type, Any] = {Gemma4UnifiedMedia: Gemma4UnifiedEncoder, Qwen3VLMedia: Qwen3VLEncoder}
"""Configuration class -> module: `module(media, embed, dtype=, rngs=)`, `(kind, *inputs) -> [rows, D]` for the inputs
of a `Program`, and `parameters()`, the sources of its parameters."""
