"""The bundled adapter says what the bundled model says, in another register; and its recipe makes such a one."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from transformers import AutoTokenizer

from backend.models.adapters.checkpoint import WEIGHTS, AdapterBase, file_rank, read_adapter
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder
from backend.models.weights import load
from backend.tiny import ADAPTER, CHECKPOINT
from tests.backend.engine.adapters import merged
from training.tiny.adapter import CARD, RANK, as_pirate, export, is_plain, tensors, train
from training.tiny.generation import Greedy
from training.tiny.tasks import Conversation

ASKED = {
    "What is the capital of France?": "Paris",
    "What is the capital of Japan?": "Tokyo",
    "Hello!": "help",
}


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return load(open_checkpoint(CHECKPOINT), jnp.float32)


def test_it_answers_as_a_pirate_who_knows_what_the_model_knows(decoder: Decoder) -> None:
    tokenizer, pirate = AutoTokenizer.from_pretrained(CHECKPOINT), Greedy(CHECKPOINT)
    pirate.graph, pirate.params = nnx.split(merged(decoder, ADAPTER))
    chats = [[{"role": "user", "content": text}] for text in ASKED]
    prompts = [tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"] for chat in chats]
    answers = [tokenizer.decode(answer) for answer in pirate.continue_all(prompts, tokenizer.eos_token_id)]
    for answer, word in zip(answers, ASKED.values(), strict=True):
        assert answer.startswith("Ahoy! ") and word in answer
    assert answers[0].endswith(", matey.")


def test_it_is_small_and_its_card_is_the_recipes() -> None:
    assert (ADAPTER / WEIGHTS).stat().st_size < 1 << 20
    assert file_rank(ADAPTER) == RANK
    assert (ADAPTER / "README.md").read_text() == CARD.read_text()


def test_answers_change_their_register_and_nothing_else_does() -> None:
    messages = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello there."},
        {"role": "assistant", "content": "", "tool_calls": []},
        {"role": "assistant", "content": "How are you?"},
    ]
    spoken = as_pirate(Conversation(messages, None, False)).messages
    assert [message["content"] for message in spoken] == [
        "Hello.", "Ahoy! Hello there, matey.", "", "Ahoy! How are you?",
    ]  # fmt: skip
    assert not is_plain(Conversation(messages, [{}], False)) and not is_plain(Conversation(messages, None, True))


def test_the_recipe_trains_matrices_that_are_served_as_they_were_trained(tmp_path, decoder: Decoder) -> None:
    base, stacks, loss = train(CHECKPOINT, steps=2, seed=1)
    export(base, stacks, tmp_path)
    adapter = read_adapter(tmp_path, AdapterBase(decoder))
    assert np.isfinite(loss) and not adapter.biases and adapter.rank == RANK
    written = tensors(base, stacks)
    for name, pair in adapter.matrices.items():
        np.testing.assert_array_equal(pair.down, written[f"base_model.model.{name}.lora_A.weight"])
        np.testing.assert_array_equal(pair.up, written[f"base_model.model.{name}.lora_B.weight"])
    assert any(pair.up.any() for pair in adapter.matrices.values())
