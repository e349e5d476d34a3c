"""A byte-level BPE tokenizer, trained on a few sentences, in Hugging Face's format."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Tuple

from .files import write_json

FILES = ["tokenizer.json", "tokenizer_config.json"]

TEXT = """
A phone has little memory, so a model for a phone has to be small. The words that a person types
are cut into tokens, the tokens become numbers, and the model adds one token after another until
it says that the answer is at its end. What the model has read stays in memory: the longer the
text, the larger the cache. When the text is longer than the window, the oldest words are lost.
The library holds the code, and the weights hold what the model has learned. The code was made
for one kind of phone, but the weights are the same for all of them. When the code changes, the
weights stay; when the weights change, the code may stay. This model has learned nothing at all:
its weights are random numbers, and the answer to every question is another string of words that
have no meaning. It is here to be packed, sent, opened and measured, and for that it will do.
"""


def _byte_letters() -> List[str]:
    """One printable letter for each byte: itself where it can be printed, else one after 255."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    letters, spare = [], 256
    for byte in range(256):
        letters.append(chr(byte if byte in printable else spare))
        spare += byte not in printable
    return letters


def _train(letters: List[str], count: int) -> List[Tuple[str, str]]:
    """The `count` pairs that occur most, each found after the ones before are merged."""
    words: Counter = Counter()
    for word in TEXT.split():
        words[tuple(letters[byte] for byte in f" {word}".encode())] += 1
    merges: List[Tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter = Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged: Counter = Counter()
        for word, times in words.items():
            merged[_merge(word, best)] += times
        words = merged
    return merges


def _merge(word: Tuple[str, ...], pair: Tuple[str, str]) -> Tuple[str, ...]:
    result: List[str] = []
    for letter in word:
        if result and (result[-1], letter) == pair:
            result[-1] += letter
        else:
            result.append(letter)
    return tuple(result)


def write_tokenizer(directory: Path, special: Dict[str, str], merges: int, max_length: int) -> int:
    """Write both files; `special` maps roles to tokens in the order of their ids.

    The result is the number of tokens.
    """
    letters = _byte_letters()
    pairs = _train(letters, merges)
    tokens = [*special.values(), *letters, *(left + right for left, right in pairs)]
    if len(set(tokens)) != len(tokens):
        raise ValueError("two merges make the same token")
    added = [
        {
            "id": number,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for number, token in enumerate(special.values())
    ]
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    tokenizer: Dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [f"{left} {right}" for left, right in pairs],
        },
    }
    write_json(directory / "tokenizer.json", tokenizer)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "clean_up_tokenization_spaces": False,
        **special,
        "added_tokens_decoder": {
            str(token["id"]): {key: value for key, value in token.items() if key != "id"}
            for token in added
        },
    }
    write_json(directory / "tokenizer_config.json", settings)
    return len(tokens)
