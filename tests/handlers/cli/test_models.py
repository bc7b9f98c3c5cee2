"""The list of models, as it is printed."""

from backend import LocalModel
from handlers.cli.models import models, table
from handlers.cli.settings import ModelsSettings


def test_a_line_per_model_in_columns():
    found = [
        LocalModel("tiny", "qwen3", 2_500_000, True, "a demonstration"),
        LocalModel("smollm2", "llama", 98_400_000, False, "an assistant"),
    ]
    assert table(found) == [
        "tiny     qwen3  2.5 MB   here         a demonstration",
        "smollm2  llama  98.4 MB  to download  an assistant",
    ]


def test_the_bundled_models_are_printed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    models(ModelsSettings(model_cache=tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["tiny", "tiny-omni", "smollm2"]
