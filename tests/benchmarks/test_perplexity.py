"""The perplexity of windows, against transformers."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from backend.models import weights
from backend.models.checkpoint import open_checkpoint
from benchmarks import checkpoint, perplexity


def test_losses_are_those_of_transformers(tmp_path: Path) -> None:
    checkpoint.make(checkpoint.config(**checkpoint.QUICK, tied=True), tmp_path)
    windows = np.random.default_rng(0).integers(0, 512, (2, 16), np.int32)
    model = LlamaForCausalLM.from_pretrained(tmp_path)
    with torch.inference_mode():
        scores = model(torch.from_numpy(windows).long()).logits.log_softmax(-1).numpy()
    expected = -np.take_along_axis(scores[:, 7:-1], windows[:, 8:, None].astype(int), -1)[..., 0]
    found = list(perplexity.window_losses(weights.load(open_checkpoint(tmp_path), jnp.dtype("float32")), windows))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_every_side_is_printed_with_its_ratio(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("What is the capital of France? Paris. " * 20)
    perplexity.main(["--window", "32", "--windows", "2", "--text", str(text), "--sides", "none:float32", "int8:auto"])
    printed = capsys.readouterr().out
    assert "32 tokens scored in 2 windows" in printed and "none:float32" in printed and "int8" in printed


def test_a_text_that_is_too_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Hello.")
    with pytest.raises(SystemExit, match="fewer than a window of 512"):
        perplexity.main(["--text", str(tmp_path / "text")])
