"""The decoder and what it is made from: configuration, rotary embedding, weights of a checkpoint, the hub."""
