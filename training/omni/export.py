"""Writes trained parameters as a Hugging Face checkpoint of the family gemma4_unified, in bfloat16."""

from pathlib import Path

from flax import nnx
from transformers import PreTrainedTokenizerFast

from training.omni.model import CONFIG, PROCESSORS, TEXT, new_decoder
from training.writing import save_weights, tensors, write_json

MEDIA = ("model.vision_embedder.", "model.embed_vision.", "model.embed_audio.")
"""Tensors that stand beside those of the text decoder."""


def export(params: nnx.State, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Writes the configurations, model.safetensors and the tokenizer's files into `out`."""
    table = nnx.eval_shape(lambda: new_decoder(0)).parameters()
    save_weights({_stored_name(name): tensor for name, tensor in tensors(params, table).items()}, out)
    write_json(out / "config.json", CONFIG)
    write_json(out / "processor_config.json", PROCESSORS)
    ends = [TEXT["eos_token_id"], TEXT["pad_token_id"]]
    write_json(out / "generation_config.json", {"eos_token_id": ends, "pad_token_id": ends[1]})
    tokenizer.save_pretrained(out)


def _stored_name(name: str) -> str:
    """The name that transformers has for a tensor of the decoder."""
    return name if name.startswith(MEDIA) else f"model.language_model.{name.removeprefix('model.')}"
