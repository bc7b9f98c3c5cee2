"""Checkpoints of transformers that are quantised already, by the `quantization_config` of their config.json.

Each method stores one weight as several tensors; here they are one `CheckpointTensor` again, whose numbers are kept as
they are where a `WeightFormat` holds them.
"""

from backend.models.quantized.methods import METHODS
from backend.models.quantized.reader import quantized_tensors

__all__ = ["METHODS", "quantized_tensors"]
