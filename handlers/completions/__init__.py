"""Texts without a chat template: POST /v1/completions continues them, /v1/tokenize and /v1/detokenize count them."""
