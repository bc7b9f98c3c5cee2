"""Whether a checkpoint makes embeddings or scores classes, and how: from config.json and sentence-transformers' files.

What is read of the latter is what sentence-transformers reads (`SentenceTransformer.load`, `Pooling`, `Transformer`);
what would change the numbers and is not served is refused by name.
"""

from pathlib import Path
from typing import Any, get_args

from backend.models.errors import CheckpointError
from backend.models.paths import check_names
from backend.models.tensors import read_json
from backend.pooling import PoolingConfig, PoolingMode

MODULES, PROMPTS, TEXTS = "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"
CLASSIFICATION = "ForSequenceClassification"
OTHER_HEADS = ("ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice", "ForMaskedLM", "RewardModel")
LEGACY_MODES: dict[str, PoolingMode] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Keys of sentence-transformers before 5.4, each true or false, in the order in which that concatenates."""


def read_pooling(folder: Path, raw: dict[str, Any], config: Any) -> PoolingConfig | None:
    """What the checkpoint makes of a text; None where it draws tokens. raw: its config.json. config: transformers' own.

    Raises `CheckpointError` for a kind of checkpoint that is not served, and what is not honoured of one that is.
    """
    named = [name for name in raw.get("architectures") or () if isinstance(name, str)]
    if wrong := [name for name in named if name.endswith(OTHER_HEADS)]:
        raise CheckpointError(
            f"architectures of config.json: {', '.join(wrong)} not served; served are checkpoints that generate "
            f"(ForCausalLM), classify ({CLASSIFICATION}), or embed ({MODULES} of sentence-transformers)"
        )
    if any(name.endswith(CLASSIFICATION) for name in named):
        return _classification(config)
    if (folder / MODULES).is_file():
        return _embedding(folder, config)
    if any(name.endswith("Model") for name in named):
        raise CheckpointError(
            f"architectures of config.json: {', '.join(named)} is a model without a head, and how its hidden states "
            f"become an embedding is not said; add {MODULES} and its folders, as sentence-transformers writes them"
        )
    return None


def sequence_length(folder: Path) -> int | None:
    """Most tokens of a text that sentence-transformers gives the checkpoint, None where it does not say."""
    size = _texts(folder).get("max_seq_length")
    if size is not None and (type(size) is not int or size < 1):
        raise CheckpointError(f"{TEXTS}: max_seq_length must be a number from 1 on, not {size!r}")
    return size


def _classification(config: Any) -> PoolingConfig:
    """The rule of transformers' pipeline: problem_type where it is said, else by the number of classes."""
    size = config.get_text_config().hidden_size
    labels = tuple(str(config.id2label.get(i, f"LABEL_{i}")) for i in range(config.num_labels))
    if config.problem_type == "regression":
        return PoolingConfig("lasttoken", size, labels=labels, scores="none")
    several = config.problem_type == "multi_label_classification" or len(labels) == 1
    return PoolingConfig("lasttoken", size, labels=labels, scores="sigmoid" if several else "softmax")


def _embedding(folder: Path, config: Any) -> PoolingConfig:
    place = folder / MODULES
    kinds = [(str(module.get("type", "")).rpartition(".")[2], module.get("path", "")) for module in _modules(place)]
    names = [kind for kind, _ in kinds]
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]) or kinds[0][1] != "":
        raise CheckpointError(
            f"{MODULES} lists {', '.join(names)}; served are Transformer (in the checkpoint's own folder) and Pooling, "
            "with Normalize or without"
        )
    _check_texts(folder)
    check_names(place, [kinds[1][1]])
    size = config.get_text_config().hidden_size
    mode = _mode(folder, f"{kinds[1][1]}/config.json", size)
    prompts, default = _prompts(folder)
    return PoolingConfig(mode, size, normalize="Normalize" in names, prompts=prompts, default_prompt=default)


def _check_texts(folder: Path) -> None:
    """Refuses what makes other tokens of a text than its tokenizer, or is not the last layer's hidden states."""
    said = _texts(folder)
    wrong = [key for key in ("do_lower_case", "processing_kwargs", "query_expansion") if said.get(key)]
    wrong += ["transformer_task"] if said.get("transformer_task", "feature-extraction") != "feature-extraction" else []
    wrong += ["modality_config.message"] if "message" in (said.get("modality_config") or {}) else []
    if wrong:
        raise CheckpointError(
            f"{TEXTS}: {', '.join(wrong)} not supported; served are checkpoints that embed the last hidden states of a "
            "text as its tokenizer has it, without a chat template"
        )


def _modules(place: Path) -> list[dict[str, Any]]:
    found = read_json(place, list)
    if not all(isinstance(module, dict) for module in found):
        raise CheckpointError(f"{MODULES} must be a list of objects")
    return found


def _mode(folder: Path, place: str, size: int) -> PoolingMode:
    pooling = read_json(folder / place)
    modes = pooling.get("pooling_mode") or [mode for key, mode in LEGACY_MODES.items() if pooling.get(key)] or "mean"
    modes = [modes] if isinstance(modes, str) else modes
    if len(modes) != 1 or modes[0] not in get_args(PoolingMode):
        served = ", ".join(get_args(PoolingMode))
        raise CheckpointError(f"{place}: pooling_mode {modes!r} not supported; served is one of {served}")
    if pooling.get("include_prompt") is False:
        raise CheckpointError(f"{place}: include_prompt false not supported; use a checkpoint that pools prompts too")
    stated = pooling.get("embedding_dimension", pooling.get("word_embedding_dimension", size))
    if stated != size:
        raise CheckpointError(f"{place}: embedding_dimension {stated!r} is not hidden_size of config.json, {size}")
    return modes[0]


def _prompts(folder: Path) -> tuple[tuple[tuple[str, str], ...], str]:
    """The prompts, and the text of the default one."""
    if not (folder / PROMPTS).is_file():
        return (), ""
    said = read_json(folder / PROMPTS)
    prompts, name = said.get("prompts") or {}, said.get("default_prompt_name")
    if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise CheckpointError(f"{PROMPTS}: prompts must be an object of texts")
    if name is not None and name not in prompts:
        raise CheckpointError(f"{PROMPTS}: default_prompt_name {name!r} is none of prompts")
    return tuple((key, text or "") for key, text in prompts.items()), prompts.get(name) or ""


def _texts(folder: Path) -> dict[str, Any]:
    place = folder / TEXTS
    return read_json(place) if place.is_file() else {}
