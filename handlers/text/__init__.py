"""Text to tokens and back: chat template, tokenizer, incremental detokenization."""
