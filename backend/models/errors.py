"""What is wrong with a checkpoint, said once and completely."""


class CheckpointError(ValueError):
    """A model's folder, configuration or weights cannot be served; the message names every fault and what to do."""
