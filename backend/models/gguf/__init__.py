"""GGUF, the one-file checkpoint format of llama.cpp: header, configuration, tensors.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""
