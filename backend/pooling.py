"""What a model that draws no tokens makes of a text: an embedding, or the scores of classes. Plain NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

PoolingMode = Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
"""Which vector the hidden states of a text become, by the names of sentence-transformers' `Pooling`."""
Task = Literal["generate", "embed", "classify"]
"""What a checkpoint is for."""
TINY = np.float32(1e-12)
"""Least length that a vector is divided by (torch.nn.functional.normalize)."""


@dataclass(frozen=True)
class PoolingConfig:
    """How the hidden states of a text become one vector, and what that is.

    mode: see `PoolingMode`. size: D, how many numbers the vector has. normalize: an embedding has length 1. labels:
    names of the classes that a classification head scores, in order; () for embeddings. scores: what makes
    probabilities of what the head gives, see `class_scores`. prompts: by name, what goes before a text that is to be
    embedded for one purpose or another, such as "query". default_prompt: what goes before others.
    """

    mode: PoolingMode
    size: int
    normalize: bool = False
    labels: tuple[str, ...] = ()
    scores: Literal["softmax", "sigmoid", "none"] = "none"
    prompts: tuple[tuple[str, str], ...] = ()
    default_prompt: str = ""

    @property
    def task(self) -> Task:
        """What the checkpoint is for."""
        return "classify" if self.labels else "embed"

    @property
    def reads_last_alone(self) -> bool:
        """Whether of a text only its last token's hidden state is needed, so that the others may be cached."""
        return self.mode == "lasttoken"


def joined(mode: PoolingMode, parts: Sequence[tuple[int, np.ndarray]]) -> np.ndarray:
    """The vector float32 [D] of a text, from those of its chunks, in order, each with its number of tokens.

    Those of a sum are sums over their tokens, of "weightedmean" each times its place, from 1 on (Muennighoff, 2022).
    """
    tokens = sum(count for count, _ in parts)
    vectors = [vector for _, vector in parts]
    match mode:
        case "cls":
            return vectors[0]
        case "lasttoken":
            return vectors[-1]
        case "max":
            return np.max(vectors, axis=0)
        case "mean":
            divisor = float(tokens)
        case "mean_sqrt_len_tokens":
            divisor = tokens**0.5
        case "weightedmean":
            divisor = tokens * (tokens + 1) / 2
    return np.asarray(np.sum(vectors, axis=0, dtype=np.float32) / np.float32(divisor))


def embedding(config: PoolingConfig, vector: np.ndarray, dimensions: int | None = None) -> np.ndarray:
    """The embedding float32 that a text's vector is: its first `dimensions` numbers, of length 1 if it is to be.

    Models that were trained for it put most of what they know first (Kusupati et al., 2022, Matryoshka).
    """
    part = vector[:dimensions]
    if not config.normalize:
        return part
    return np.asarray(part / np.maximum(np.linalg.norm(part), TINY))


def class_scores(config: PoolingConfig, logits: np.ndarray) -> np.ndarray:
    """The scores float32 [classes] as transformers' text classification pipeline has them.

    softmax: one of the classes is right, and these are their probabilities. sigmoid: each may be right or not. none:
    the numbers themselves (regression).
    """
    match config.scores:
        case "softmax":
            weights = np.exp(logits - logits.max())
            return weights / weights.sum()
        case "sigmoid":
            return (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
        case "none":
            return logits
