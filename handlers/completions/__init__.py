"""POST /v1/completions: texts that are continued as they are, without a chat template."""
