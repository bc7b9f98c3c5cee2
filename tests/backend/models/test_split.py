"""What devices of a host have of a checkpoint is read once, however many have it, and however it is stored."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from benchmarks import gguf_weights
from tests.backend.models.test_weights import configure, random_tensors
from tests.compiling import on_devices

FIELDS = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "head_dim": 16, "vocab_size": 44,
          "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
          "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}  # fmt: skip


@pytest.mark.parametrize("stored", ["safetensors", "Q8_0"])
def test_of_every_tensor_each_number_is_read_once_for_all_devices(tmp_path: Path, stored: str) -> None:
    configure(tmp_path, "llama", **FIELDS)
    path, tensors = tmp_path, random_tensors(tmp_path)
    save_file(tensors, tmp_path / "model.safetensors")
    if stored != "safetensors":
        path, config = tmp_path / "model.gguf", json.loads((tmp_path / "config.json").read_text())
        writer = gguf_weights.new_writer(path, config)
        gguf_weights.add_config(writer, config)
        gguf_weights.add_tensors(writer, config, tensors, stored)
        gguf_weights.finish(writer)
    command = [sys.executable, "-m", "tests.backend.models.split", str(path)]
    done = subprocess.run(command, env=on_devices(8), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for quantization, read in json.loads(done.stdout.splitlines()[-1]).items():
        assert read and all(times == 1 for times in read.values()), (quantization, read)
