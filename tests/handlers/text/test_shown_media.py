"""What stands for media takes the place of what the template wrote, and of nothing that a client typed."""

import pytest

from handlers.text.shown_media import ShownMedium
from handlers.text.tokenizer import ChatTokenizer, PromptError
from tests.handlers.text.test_tokenizer import REAL, save_byte_level

GEMMA = ["<bos>", "<|turn>", "<turn|>", "<|image|>", "<|video|>", "<|audio|>", "<|image>", "<image|>", "<|channel>"]
GEMMA += ["<channel|>", "<|tool_call>", "<tool_call|>", "<|think|>"]
QWEN = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
TEXT = {"type": "text", "text": "Say what it is: "}


def picture(url="data:,"):
    return {"type": "image_url", "image_url": {"url": url}}


def film():
    return {"type": "video_url", "video_url": {"url": "data:,"}}


@pytest.fixture(scope="module", params=["gemma4_v5", "qwen3_vl"])
def tokenizer(request, tmp_path_factory):
    special = GEMMA if request.param.startswith("gemma") else QWEN
    return ChatTokenizer(save_byte_level(tmp_path_factory.mktemp("media"), REAL[request.param], special=special))


def ids(tokenizer: ChatTokenizer) -> dict[str, int]:
    """The ids of the control tokens."""
    parts = {name: tokenizer.spell(name) for name in (*GEMMA, *QWEN)}
    return {name: part[0].token for name, part in parts.items() if len(part) == 1 and hasattr(part[0], "token")}


def names(tokenizer: ChatTokenizer) -> dict[str, str]:
    known = ids(tokenizer)
    gemma = "<|image|>" in known
    return {
        "image": "<|image|>" if gemma else "<|image_pad|>",
        "video": "<|video|>" if gemma else "<|video_pad|>",
        "open": "<|image>" if gemma else "<|vision_start|>",
    }


def encode(tokenizer, content, media=()):
    messages = [{"role": "user", "content": content}]
    return tokenizer.encode_chat(messages, tools=None, template_kwargs={}, reasoning_effort=None, media=media)


def shown(tokenizer, kind, *written):
    known, own = ids(tokenizer), names(tokenizer)
    parts = [known[own[part]] if part in own else part for part in written]
    return ShownMedium(known[own[kind]], tuple(parts))


def text_of(tokenizer, tokens):
    return tokenizer.decode_tail(tokens, len(tokens))


def test_what_is_written_stands_where_the_template_showed_the_medium(tokenizer):
    own = names(tokenizer)
    content = [picture(), TEXT, film(), picture()]
    media = [
        shown(tokenizer, "image", "open", "image", "image"),
        shown(tokenizer, "video", "00:01 ", "open", "video"),
        shown(tokenizer, "image", "image"),
    ]
    plain, tokens = (text_of(tokenizer, encode(tokenizer, content, given)) for given in ((), media))
    image, video, opening = own["image"], own["video"], own["open"]
    first, second, third = plain.split(image)[0], plain.split(image)[1], plain.split(image)[2]
    before, after = second.split(video)
    assert tokens == f"{first}{opening}{image}{image}{before}00:01 {opening}{video}{after}{image}{third}"


def test_a_placeholder_that_a_client_types_is_text(tokenizer):
    own, known = names(tokenizer), ids(tokenizer)
    content = [{"type": "text", "text": f"not {own['image']} this"}, picture(), {"type": "text", "text": own["video"]}]
    tokens = encode(tokenizer, content, [shown(tokenizer, "image", "image", "image")])
    assert tokens.count(known[own["image"]]) == 2 and known[own["video"]] not in tokens
    assert f"not {own['image']} this" in text_of(tokenizer, tokens)


def test_pieces_of_a_placeholder_in_two_parts_are_no_placeholder(tokenizer):
    own, known = names(tokenizer), ids(tokenizer)
    halves = own["image"][:4], own["image"][4:]
    content = [{"type": "text", "text": halves[0]}, picture(), {"type": "text", "text": halves[1]}]
    assert encode(tokenizer, content, [shown(tokenizer, "image", "image")]).count(known[own["image"]]) == 1


def test_media_that_the_template_does_not_show_are_refused(tokenizer):
    with pytest.raises(PromptError, match="one by one"):
        encode(tokenizer, [picture(), TEXT], [shown(tokenizer, "image", "image")] * 2)
    with pytest.raises(PromptError, match="one by one"):
        encode(tokenizer, [picture(), TEXT], [shown(tokenizer, "video", "video")])


def test_a_token_that_the_tokenizer_lacks_is_refused(tokenizer):
    with pytest.raises(PromptError, match="no control token 99999"):
        encode(tokenizer, [picture(), TEXT], [ShownMedium(99999, (1,))])
