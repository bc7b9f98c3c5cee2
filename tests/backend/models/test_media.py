"""How pictures, films and sound become patches and pieces: number by number what transformers' own processors make."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.video_utils import VideoMetadata

from backend.media import Film, FilmInfo, Medium, Picture, Sound
from backend.models.checkpoint import open_checkpoint
from backend.models.errors import CheckpointError
from backend.models.media.gemma4_unified import Gemma4UnifiedMedia
from backend.models.media.interface import Run
from backend.models.media.qwen3_vl import Qwen3VLMedia
from backend.models.media.resampling import resize
from tests.parity import media
from tests.parity.vision import processing, resized

sizes = st.integers(1, 120)


def read(folder: Path, processor: dict[str, Any] | None = None, **changes: Any) -> Gemma4UnifiedMedia:
    fields = {"model_type": "gemma4_unified", **media.fixed_gemma4_unified(), **changes}
    (folder / "config.json").write_text(json.dumps(fields))
    settings = {kind: {"max_soft_tokens": 70} for kind in ("image_processor", "video_processor")}
    (folder / "processor_config.json").write_text(json.dumps(settings if processor is None else processor))
    found = open_checkpoint(folder).config.media
    assert isinstance(found, Gemma4UnifiedMedia)
    return found


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Gemma4UnifiedMedia:
    return read(tmp_path_factory.mktemp("media"))


@settings(deadline=None, max_examples=60)
@given(old=st.tuples(sizes, sizes), new=st.tuples(sizes, sizes), seed=st.integers(0, 2**31), flat=st.booleans())
def test_pictures_are_resized_as_torch_resizes_them(
    old: tuple[int, int], new: tuple[int, int], seed: int, flat: bool
) -> None:
    pixels = np.random.default_rng(seed).integers(256, size=(2, *old, 3), dtype=np.uint8)
    pixels = (pixels // 128) * 255 if flat else pixels
    expected = resized(torch.from_numpy(pixels).permute(0, 3, 1, 2), *new).permute(0, 2, 3, 1).numpy()
    off = np.abs(resize(pixels, *new).astype(int) - expected)
    assert off.max() <= 1 and (off > 0).mean() < 0.01


@settings(deadline=None, max_examples=25)
@given(medium=media.media(["image", "video"]))
def test_patches_and_places_are_those_of_transformers(config: Gemma4UnifiedMedia, medium: Medium) -> None:
    patches, places = config.patches(medium)
    expected, where = media.gemma4_unified_patches(medium, 2, 2)
    used = (where != -1).all(-1)
    np.testing.assert_array_equal(places, where[used])
    off = np.abs(patches - expected[used].numpy())
    assert off.max() <= 1.001 / 255 and (off > 0).mean() < 0.01
    runs = [part for part in config.written(medium) if isinstance(part, Run)]
    assert sum(run.length for run in runs) == len(patches) and all(run.both_ways for run in runs)


@given(samples=st.integers(1, 5000), seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=20)
def test_pieces_of_sound_are_those_of_transformers(config: Gemma4UnifiedMedia, samples: int, seed: int) -> None:
    sound = Sound(np.random.default_rng(seed).normal(size=samples).astype(np.float32), "s")
    expected = media.gemma4_unified_inputs([sound], 2, 2, 10)["input_features"][0].numpy()
    found = np.concatenate([call.inputs[0][: call.rows] for call in config.calls(sound)])
    np.testing.assert_array_equal(found, expected)
    boa, run, eoa = config.written(sound)
    assert (boa, run, eoa) == (95, Run(92, len(expected)), 89)


@given(total=st.integers(1, 3000), rate=st.sampled_from([1.0, 12.5, 24.0, 29.97, 60.0]))
@settings(deadline=None)
def test_frames_and_their_times_are_those_of_transformers(config: Gemma4UnifiedMedia, total: int, rate: float) -> None:
    info = FilmInfo(np.arange(total) / rate, total / rate, rate, 8, 8)
    chosen = config.choose_frames(info)
    count = min(32, total)
    np.testing.assert_array_equal(chosen, np.arange(count, dtype=int) * total // count)
    film = Film(np.zeros((count, 8, 8, 3), np.uint8), chosen, info, None, "f")
    metadata = VideoMetadata(total_num_frames=total, fps=rate, frames_indices=chosen)
    times = [f"{int(seconds // 60):02d}:{int(seconds % 60):02d}" for seconds in metadata.timestamps]
    written = config.written(film)
    texts = [part for part in written if isinstance(part, str)]
    assert texts == [f"{times[0]} ", *(f" {time} " for time in times[1:])]
    assert [part for part in written if isinstance(part, int)] == [93, 94] * count


def test_calls_are_of_the_sizes_that_are_compiled(config: Gemma4UnifiedMedia) -> None:
    film = Film(np.zeros((8, 40, 40, 3), np.uint8), np.arange(8), FilmInfo(np.arange(9.0), 9.0, 1.0, 40, 40), None, "f")
    calls = list(config.calls(film))
    assert [call.program.size for call in calls] == [256, 256] and sum(call.rows for call in calls) == 8 * 64
    assert all(call.program in config.programs for call in calls)
    last = next(config.calls(Sound(np.ones(15, np.float32), "s")))
    assert (last.program.size, last.rows) == (64, 2) and not last.inputs[0][2:].any()


def test_a_narrow_picture_is_a_row_of_patches_and_silence_is_refused(config: Gemma4UnifiedMedia) -> None:
    assert config.written(Picture(np.zeros((1, 5000, 3), np.uint8), "p"))[1] == Run(90, 70, both_ways=True)
    with pytest.raises(ValueError, match="no samples"):
        config.written(Sound(np.zeros(0, np.float32), "s"))


def test_a_checkpoint_may_lack_modalities(tmp_path: Path) -> None:
    assert read(tmp_path, audio_config=None).placeholders == {"image": 90, "video": 91}
    deaf = read(tmp_path, vision_config=None)
    assert deaf.placeholders == {"audio": 92} and deaf.both_ways == 0


def test_sizes_are_the_processors(tmp_path: Path) -> None:
    given = {"image_processor": {"max_soft_tokens": 140}, "video_processor": {"max_soft_tokens": 280, "num_frames": 5}}
    found = read(tmp_path, given)
    assert (found.vision.picture_tokens, found.vision.frame_tokens, found.vision.frames) == (140, 280, 5)
    assert found.both_ways == 280
    assert read(tmp_path, {}).both_ways == 280
    (tmp_path / "processor_config.json").unlink()
    (tmp_path / "preprocessor_config.json").write_text('{"max_soft_tokens": 70}')
    assert open_checkpoint(tmp_path).config.media.vision.picture_tokens == 70


@pytest.mark.parametrize(
    ("processor", "changes", "named"),
    [
        ({"image_processor": {"max_soft_tokens": "many"}}, {}, "max_soft_tokens"),
        ({"image_processor": {"max_soft_tokens": 9999}}, {}, "mm_posemb_size"),
        ({"image_processor": {"resample": 2}}, {}, "resample 2"),
        ({"image_processor": {"do_resize": False}}, {}, "do_resize"),
        ({"image_processor": {"rescale_factor": 0}}, {}, "rescale_factor"),
        ({"video_processor": {"do_normalize": True, "image_mean": [0.5, 0.5, 0.5]}}, {}, "image_mean"),
        ({"image_processor": {"patch_size": 16}}, {}, "patch_size"),
        ({"feature_extractor": {"audio_samples_per_token": 640}}, {}, "audio_samples_per_token"),
        ({}, {"image_token_id": 96}, "image_token_id"),
        ({}, {"eoa_token_index": None}, "eoa_token_index"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(
    tmp_path: Path, processor: dict[str, Any], changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(CheckpointError, match=named):
        read(tmp_path, processor, **changes)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Qwen3VLMedia:
    folder = tmp_path_factory.mktemp("qwen")
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3_vl", **media.fixed_qwen3_vl()}))
    (folder / "processor_config.json").write_text(json.dumps(media.PROCESSORS["qwen3_vl"]))
    found = open_checkpoint(folder).config.media
    assert isinstance(found, Qwen3VLMedia)
    return found


@settings(deadline=None, max_examples=25)
@given(medium=media.media(["image", "video"]))
def test_patches_of_any_size_are_those_of_transformers(qwen: Qwen3VLMedia, medium: Medium) -> None:
    expected, (steps, rows, columns) = media.qwen3_vl_patches(medium)
    patches = qwen.patches(medium)
    assert patches.shape[:2] == (steps, rows * columns)
    off = np.abs(patches.reshape(expected.shape) - expected.numpy())
    assert off.max() <= 1.001 * 2 / 255 and (off > 1e-6).mean() < 0.01
    runs = [part for part in qwen.written(medium) if isinstance(part, Run)]
    assert [(run.length, run.grid) for run in runs] == [(rows * columns // 4, (rows // 2, columns // 2))] * steps
    assert [call.rows for call in qwen.calls(medium)] == [run.length for run in runs]


@given(total=st.integers(1, 30_000), rate=st.sampled_from([1.0, 12.5, 24.0, 29.97, 60.0]))
@settings(deadline=None)
def test_frames_of_a_film_are_so_many_per_second(qwen: Qwen3VLMedia, total: int, rate: float) -> None:
    chosen = qwen.choose_frames(FilmInfo(np.arange(total) / rate, total / rate, rate, 8, 8))
    metadata = VideoMetadata(total_num_frames=total, fps=rate)
    own = SimpleNamespace(fps=2, num_frames=None, min_frames=4, max_frames=768)
    theirs = processing("qwen3_vl", "video").Qwen3VLVideoProcessor.sample_frames(own, metadata)
    np.testing.assert_array_equal(chosen, theirs)


def test_what_is_much_longer_than_wide_is_refused(qwen: Qwen3VLMedia) -> None:
    with pytest.raises(ValueError, match="200 times"):
        qwen.written(Picture(np.zeros((1, 201, 3), np.uint8), "p"))
