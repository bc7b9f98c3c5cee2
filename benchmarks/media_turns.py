"""Milliseconds to the first token of a turn that shows a picture of a megapixel, and of the turn that follows it.

`python -m benchmarks.media_turns` (`--quick`: a very small model, only to see that it runs). Each round has a picture
of its own, over HTTP: a first turn that shows it, a second with the first in front of it, and a turn of text alone. The
second is to take at most a fifth of the first: the server knows the picture by its bytes, and neither decodes nor
encodes nor prefills it. A request is for one token, and its time is all of it, from the first byte to the last.
"""

import argparse
import base64
import json
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine, media_models
from benchmarks.serving.servers import Served, Server, Side, jaxchat

Messages = list[dict[str, Any]]


def main(argv: list[str] | None = None) -> None:
    """Measure a family."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.media_turns",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--family", choices=media_models.SIZES, default="gemma4_unified")
    parser.add_argument("--format", choices=("PNG", "JPEG"), default="PNG", help="of the picture (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="pictures (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a very small model, only to see that it runs")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = media_models.make(options.family, Path(folder), options.quick)
        served = Served(checkpoint, {}, streams=1, context=2048, scratch=checkpoint)
        with Server(Side("jaxchat", jaxchat), served) as server:
            rounds = [turns(server.url, seed, options.format) for seed in range(options.rounds + 1)][1:]
    print(f"{options.family}, {options.format}, {options.rounds} rounds, load {machine.busy()}")
    for name in rounds[0]:
        taken = [each[name] for each in rounds]
        share = median(each[name] / each["first turn"] for each in rounds)
        print(f"{name:12} {1000 * median(taken):8.1f} ms   {share:6.1%} of the first turn")


def turns(url: str, seed: int, format: str) -> dict[str, float]:
    """Seconds of the turns of one conversation."""
    data = base64.b64encode(media_models.picture(seed, format)).decode()
    shown = {"type": "image_url", "image_url": {"url": f"data:image/{format.lower()};base64,{data}"}}
    first: Messages = [{"role": "user", "content": [shown, {"type": "text", "text": "What is on it?"}]}]
    answer = {"role": "assistant", "content": "Colours without a form."}
    second = [*first, answer, {"role": "user", "content": "Which of them is the darkest?"}]
    text: Messages = [{"role": "user", "content": f"{seed} is one of many numbers. What do you know of it?"}]
    return {"first turn": ask(url, first), "second turn": ask(url, second), "text alone": ask(url, text)}


def ask(url: str, messages: Messages) -> float:
    """Seconds of a request for one token."""
    body = json.dumps({"messages": messages, "max_tokens": 1, "temperature": 0}).encode()
    request = urllib.request.Request(f"{url}/v1/chat/completions", body, {"Content-Type": "application/json"})
    began = time.perf_counter()
    with urllib.request.urlopen(request) as response:
        usage = json.load(response)["usage"]
    assert usage["completion_tokens"] == 1
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
