"""The engine: loads a model, decodes batches of rows on the device. Knows nothing of HTTP or OpenAPI."""
