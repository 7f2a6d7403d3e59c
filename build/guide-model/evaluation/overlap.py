"""Checks that no evaluation question occurs in the training text: exactly, or but for case, spaces and punctuation. Looks
through as many dialogues as a training run sees, and more. Of development questions, which are not reported, it only says which
do."""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from guide.corpus import Corpus  # noqa: E402
from guide.train import SEED, part_of  # noqa: E402


def plain(text):
    return re.sub(r"[\W_]+", "", text.lower())


def overlap(chunks, chunk_size):
    """The questions of both sets that the training text has, by set."""
    sets = {}
    for name in ("questions", "development"):
        sets[name] = {plain(q["question"]): q["question"] for q in json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))}
    dialogues = {plain(q) for d in json.loads((HERE / "dialogues.json").read_text(encoding="utf-8")) for q, _ in d["turns"][:1]}
    seen, found = set(), {name: set() for name in sets}
    for number in range(chunks):
        corpus = Corpus(SEED * 1000 + number, part=part_of(number))
        for _ in range(chunk_size):
            for question, _, _ in corpus.dialogue()[1]:
                seen.add(plain(question))
    for name, questions in sets.items():
        found[name] = {questions[key] for key in questions.keys() & seen}
    found["first questions of dialogues"] = dialogues & seen
    return found, len(seen)


if __name__ == "__main__":
    found, distinct = overlap(int(sys.argv[1]) if len(sys.argv) > 1 else 24, 16384)
    print(f"{distinct} distinct questions (case, spaces and punctuation apart) looked through")
    for name, questions in found.items():
        print(f"{name}: {len(questions)} found {sorted(questions)}")
    sys.exit(1 if any(questions for name, questions in found.items() if name != "development") else 0)
