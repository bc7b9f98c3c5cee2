"""A tokenizer made of a GGUF file's metadata, whose keys are described in ggml's docs/gguf.md."""
