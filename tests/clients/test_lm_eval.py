"""EleutherAI's evaluation harness: `local-completions` on tasks of this machine scores as transformers does."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import lm_eval
import torch
from lm_eval.tasks import TaskManager
from transformers import AutoModelForCausalLM, AutoTokenizer

pytestmark = pytest.mark.clients
CHECKPOINT = Path(__file__).parents[2] / "backend" / "tiny" / "checkpoint"
ASK = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant"
"""Without the line's end, since the harness has white space at the end of a context begin what comes behind it."""
DOCUMENTS = [
    {
        "question": ASK.format(f"What is the capital of {country}?"),
        "choices": ["\nParis", "\nRome", "\nBerlin"],
        "answer": i,
    }
    for i, country in enumerate(("France", "Italy", "Germany"))
] + [{"question": "2 + 3 =", "choices": [" 5", " 6 or", " nothing at all"], "answer": 0}]
CHOICES = """
task: choices
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{answer}}}}"
target_delimiter: ""
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""
TEXTS = """
task: texts
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{choices[answer]}}}}"
generation_kwargs: {{until: ["."], max_gen_toks: 24, do_sample: false, temperature: 0}}
metric_list: [{{metric: bypass}}]
"""


@pytest.fixture(scope="module")
def evaluated(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the harness says of both tasks."""
    folder = tmp_path_factory.mktemp("tasks")
    os.environ["HF_HOME"] = str(folder / "home")
    file = folder / "documents.jsonl"
    file.write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS))
    for name, task in (("choices", CHOICES), ("texts", TEXTS)):
        (folder / f"{name}.yaml").write_text(task.format(file=file))
    model = {
        "model": "tiny",
        "base_url": f"{url}/completions",
        "tokenizer": str(CHECKPOINT),
        "tokenizer_backend": "huggingface",
        "max_length": 512,
        "max_retries": 1,
    }
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return lm_eval.simple_evaluate(
        "local-completions", model_args=model, tasks=["choices", "texts"], task_manager=manager, log_samples=True,
        bootstrap_iters=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def oracle() -> tuple[Any, Any]:
    return AutoTokenizer.from_pretrained(CHECKPOINT), AutoModelForCausalLM.from_pretrained(
        CHECKPOINT, dtype=torch.float32
    )


def likelihood(oracle: tuple[Any, Any], context: str, continuation: str) -> tuple[float, bool]:
    """Of a continuation, and whether it is the greedy one."""
    tokenizer, model = oracle
    whole, start = tokenizer.encode(context + continuation), len(tokenizer.encode(context))
    with torch.no_grad():
        logprobs = torch.log_softmax(model(torch.tensor([whole])).logits[0].double(), -1)
    places = range(start, len(whole))
    greedy = all(int(logprobs[i - 1].argmax()) == whole[i] for i in places)
    return float(sum(logprobs[i - 1, whole[i]] for i in places)), greedy


def test_choices_are_as_likely_as_transformers_has_them(evaluated, oracle):
    right = 0
    for sample in evaluated["samples"]["choices"]:
        document = sample["doc"]
        expected = [likelihood(oracle, document["question"], choice) for choice in document["choices"]]
        found = [(float(value), str(greedy) == "True") for value, greedy in sample["filtered_resps"]]
        assert [value for value, _ in found] == pytest.approx([value for value, _ in expected], rel=1e-3, abs=2e-3)
        assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]
        right += max(range(3), key=lambda i: expected[i][0]) == document["answer"]
    assert evaluated["results"]["choices"]["acc,none"] == pytest.approx(right / len(DOCUMENTS))


def test_texts_are_what_transformers_draws(evaluated, oracle):
    tokenizer, model = oracle
    for sample in evaluated["samples"]["texts"]:
        prompt = tokenizer.encode(sample["doc"]["question"], return_tensors="pt")
        drawn = model.generate(prompt, max_new_tokens=24, do_sample=False)[0, prompt.shape[1] :]
        expected = tokenizer.decode(drawn, skip_special_tokens=True).partition(".")[0]
        assert sample["filtered_resps"] == [expected]
