"""The oracle's settings: tiny matrices, so torch's thread pool would cost more than all its arithmetic."""

import torch

torch.set_num_threads(1)
