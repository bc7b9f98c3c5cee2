"""What a checkpoint is for, by its own files; what is not served of it is refused by name."""

import json

import pytest

from backend.models.checkpoint import open_checkpoint
from backend.models.errors import CheckpointError
from backend.pooling import PoolingConfig

SIZE = 32
CONFIG = {
    "model_type": "qwen3",
    "vocab_size": 61,
    "hidden_size": SIZE,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
}
TRANSFORMER = {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}
POOLING = {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
NORMALIZE = {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
NEWER = {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"}
DENSE = {"idx": 2, "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
LAST = {"word_embedding_dimension": SIZE, "pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True}


@pytest.fixture
def read(tmp_path):
    """`read(architectures, modules=[...], pooling={...}, texts={...}, prompts={...}, **config)`: the decoder."""

    def read(*architectures, modules=None, pooling=LAST, texts=None, prompts=None, **config):
        named = {"architectures": list(architectures)} if architectures else {}
        write("config.json", CONFIG | named | config)
        if modules is not None:
            write("modules.json", modules)
            (tmp_path / "1_Pooling").mkdir(exist_ok=True)
            write("1_Pooling/config.json", pooling)
        if texts is not None:
            write("sentence_bert_config.json", texts)
        if prompts is not None:
            write("config_sentence_transformers.json", prompts)
        return open_checkpoint(tmp_path).config

    def write(name, value):
        (tmp_path / name).write_text(json.dumps(value))

    return read


@pytest.mark.parametrize("architectures", [(), ("Qwen3ForCausalLM",), ("SomebodysForCausalLM",)])
def test_what_has_a_head_for_tokens_generates(read, architectures):
    assert read(*architectures).pooling is None


def test_a_head_for_classes_classifies_whatever_else_is_there(read):
    labels = {"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}}
    found = read("Qwen3ForSequenceClassification", modules=[TRANSFORMER, POOLING], **labels)
    assert found.pooling == PoolingConfig("lasttoken", SIZE, labels=("no", "yes"), scores="softmax")
    assert not found.own_head and found.classes == 2


@pytest.mark.parametrize(
    ("pooling", "mode"),
    [
        (LAST, "lasttoken"),
        ({"word_embedding_dimension": SIZE}, "mean"),
        ({"embedding_dimension": SIZE, "pooling_mode": "cls", "include_prompt": True}, "cls"),
        ({"embedding_dimension": SIZE, "pooling_mode": ["max"]}, "max"),
        ({"word_embedding_dimension": SIZE, "pooling_mode_weightedmean_tokens": True}, "weightedmean"),
    ],
)
@pytest.mark.parametrize("modules", [[TRANSFORMER, POOLING, NORMALIZE], [TRANSFORMER, NEWER]])
def test_modules_of_sentence_transformers_embed(read, modules, pooling, mode):
    for name in ("Qwen3Model", "Qwen3ForCausalLM"):
        found = read(name, modules=modules, pooling=pooling)
        assert found.pooling == PoolingConfig(mode, SIZE, normalize=len(modules) == 3) and not found.classes


def test_prompts_and_the_length_of_texts_are_the_checkpoints(read):
    prompts = {"prompts": {"query": "Find: ", "document": None}, "default_prompt_name": "query"}
    modules = [TRANSFORMER, POOLING]
    found = read("Qwen3Model", modules=modules, prompts=prompts, texts={"max_seq_length": 50, "do_lower_case": False})
    assert found.pooling.prompts == (("query", "Find: "), ("document", ""))
    assert found.pooling.default_prompt == "Find: " and found.context == 50
    assert read("Qwen3Model", modules=modules, texts={"max_seq_length": 500}).context == 128


BAD = {
    "ForTokenClassification": {"architectures": ("Qwen3ForTokenClassification",)},
    "RewardModel": {"architectures": ("Qwen2ForRewardModel",)},
    "modules.json": {"architectures": ("Qwen3Model",)},
    "is_causal": {"architectures": ("Qwen3Model",), "modules": [TRANSFORMER, POOLING], "is_causal": False},
    "Dense": {"modules": [TRANSFORMER, POOLING, DENSE]},
    "lists Pooling": {"modules": [POOLING]},
    "own folder": {"modules": [TRANSFORMER | {"path": "0_Transformer"}, POOLING]},
    "without a path": {"modules": [TRANSFORMER, POOLING | {"path": "../1_Pooling"}]},
    "list of objects": {"modules": ["Transformer"]},
    "must hold a JSON list": {"modules": {}},
    "pooling_mode": {"pooling": {"pooling_mode": "median"}},
    "'cls', 'max'": {"pooling": LAST | {"pooling_mode": ["cls", "max"]}},
    "include_prompt": {"pooling": LAST | {"include_prompt": False}},
    "embedding_dimension": {"pooling": LAST | {"word_embedding_dimension": 33}},
    "do_lower_case": {"texts": {"do_lower_case": True}},
    "transformer_task": {"texts": {"transformer_task": "fill-mask"}},
    "modality_config.message": {"texts": {"modality_config": {"text": {}, "message": {}}}},
    "max_seq_length": {"texts": {"max_seq_length": 0}},
    "default_prompt_name": {"prompts": {"prompts": {}, "default_prompt_name": "query"}},
    "object of texts": {"prompts": {"prompts": {"query": 1}}},
}


@pytest.mark.parametrize("word", BAD)
def test_what_is_not_served_is_refused_by_name(read, word):
    said = {"modules": [TRANSFORMER, POOLING, NORMALIZE], **BAD[word]}
    architectures = said.pop("architectures", ("Qwen3ForCausalLM",))
    if word in ("ForTokenClassification", "RewardModel", "modules.json"):
        said = {}
    with pytest.raises(CheckpointError, match=word):
        read(*architectures, **said)


def test_what_sees_media_too_neither_classifies_nor_embeds(tmp_path):
    from transformers import AutoConfig

    sizes = {name: CONFIG[name] for name in CONFIG if name != "model_type"}
    rope = {"rope_theta": 1e4, "rope_type": "default", "mrope_section": [2, 1, 1]}
    text = {**sizes, "rope_parameters": rope}
    config = AutoConfig.for_model("qwen3_vl", text_config=text).to_dict()
    config["architectures"] = ["Qwen3VLForSequenceClassification"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"classify not served of qwen3_vl|processor|preprocessor"):
        _ = open_checkpoint(tmp_path).config
