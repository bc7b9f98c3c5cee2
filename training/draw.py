"""Draws phrasings and values, from the training share or from the share that only the evaluation sees."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")


def words(text: str) -> list[str]:
    """The words of a text, for long tables."""
    return text.split()


SYLLABLES = words(
    "ba be bi bo da de di do fa fe ga go ha he ja jo ka ke ki la le li lo ma me mi mo na ne ni no pa pe ra re ri "
    "ro sa se si so ta te ti to va ve vi vo wa ya yo za ze zo lin mar tom sam ken bel dor fin gus hal jon kat bru "
    "cla dre fro gri plu sta tri chi sho thu ong est ist and ell orn ark ump ix oz ud ew ay"
)
NAMES = words(
    "Alice Bob Carol David Emma Frank Grace Henry Ivy Jack Kate Liam Mia Noah Olivia Paul Quinn Rose Sam Tina Uma "
    "Victor Wendy Xavier Yara Zoe Maria Ahmed Yuki Chen Anna Peter Lena Omar Ravi Sofia Hugo Nina Ada Alan"
)
CITIES = words(
    "Paris London Tokyo Berlin Madrid Rome Oslo Cairo Seoul Lima Dublin Vienna Athens Lisbon Warsaw Prague Delhi "
    "Boston Denver Austin Chicago Toronto Sydney Beijing Havana Ottawa Stockholm Helsinki Zurich Geneva Milan "
    "Munich"
)
THINGS = words(
    "apple banana chair table book pen lamp phone cup plate shirt shoe hat coat bag key ring box car bike clock "
    "laptop camera guitar piano mirror pillow blanket bottle spoon"
)
COLORS = words("red blue green yellow orange purple black white brown pink")
DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")


def reserved(text: str) -> bool:
    """Whether a value belongs to the eighth that training never sees."""
    return crc32(text.encode()) % 8 == 0


@dataclass(frozen=True)
class Phrases:
    """Ways to say one thing. `train` is for training only, `held_out` for the evaluation only."""

    train: list[str]
    held_out: list[str]


def phrases(train: str, held_out: str) -> Phrases:
    """From two texts in which ` | ` separates the phrasings."""
    return Phrases(train.split(" | "), held_out.split(" | "))


@dataclass(frozen=True)
class Draw:
    """A random source.

    new_phrases: draw phrasings that training never uses.
    new_values: draw words, names and numbers that training never uses.
    """

    rng: random.Random
    new_phrases: bool = False
    new_values: bool = False

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        return self.rng.choice(options)

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different ones, in random order."""
        return self.rng.sample(options, count)

    def phrase(self, phrases: Phrases) -> str:
        return self.pick(phrases.held_out if self.new_phrases else phrases.train)

    def number(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""
        return self.rng.randint(low, high)

    def pair(self, low: int, high: int) -> tuple[int, int]:
        """Two integers whose combination is on the right side of the reserved share."""
        while True:
            pair = self.number(low, high), self.number(low, high)
            if reserved(f"{pair[0]} {pair[1]}") == self.new_values:
                return pair

    def word(self) -> str:
        """A made-up lower-case word, seldom one of random letters."""
        while True:
            if self.chance(0.15):
                word = "".join(self.rng.choices("abcdefghijklmnopqrstuvwxyz", k=self.number(3, 6)))
            else:
                word = "".join(self.rng.choices(SYLLABLES, k=self.number(1, 3)))
            if reserved(word) == self.new_values:
                return word

    def known(self, options: Sequence[str], probability: float = 0.5) -> str | None:
        """One of `options` with that probability, never where new values are asked for."""
        return self.pick(options) if not self.new_values and self.chance(probability) else None

    def name(self) -> str:
        return self.known(NAMES) or self.word().capitalize()

    def city(self) -> str:
        return self.known(CITIES) or self.word().capitalize()

    def thing(self) -> str:
        return self.known(THINGS) or self.word()

    def words(self, low: int, high: int) -> str:
        """Between low and high made-up words, separated by spaces."""
        return " ".join(self.word() for _ in range(self.number(low, high)))

    def code(self) -> str:
        """An order number such as 4711, A17 or zor-42."""
        digits = str(self.number(10, 9999))
        return self.pick([digits, digits, self.pick("ABCDEFGHKLMNPRSTUVWXYZ") + digits, f"{self.word()}-{digits}"])

    def clock(self) -> str:
        return f"{self.number(0, 23):02d}:{self.pick(['00', '15', '30', '45'])}"

    def casual(self, text: str) -> str:
        """The same text as people type it: now and then without capital, end mark, or in other punctuation."""
        if self.chance(0.15):
            text = text[:1].lower() + text[1:]
        if self.chance(0.15):
            text = text.rstrip(".?!")
        if self.chance(0.05):
            text = text + self.pick(["!", " ", "?", "...", "\n", " please"])
        return text


def with_articles(text: str) -> str:
    """`an` for `a` before a vowel."""
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)


def joined(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
