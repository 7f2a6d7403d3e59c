"""Asks a served deployment through the OpenAI port and scores it by the same rule. Standard library only.

served.py BASE_URL MODEL [--temperature T] [--set questions|development] [--failures]
"""

import argparse
import json
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from evaluation.score import Rule, read, run_dialogues, run_questions, show  # noqa: E402


def asker(base, model, temperature, key):
    """ask([[(role, text), …], …]) → answers, four requests at a time."""

    def one(turns):
        body = {
            "model": model,
            "messages": [{"role": role, "content": text} for role, text in turns],
            "temperature": temperature,
            "max_tokens": 160,
            "seed": 1,
        }
        request = urllib.request.Request(
            base.rstrip("/") + "/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {key}"},
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)["choices"][0]["message"]["content"] or ""

    def ask(conversations):
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(one, conversations))

    return ask


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("model")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--set", default="questions", choices=["questions", "development"])
    parser.add_argument("--key", default="none")
    parser.add_argument("--failures", action="store_true")
    options = parser.parse_args()
    ask, rule = asker(options.base, options.model, options.temperature, options.key), Rule()
    show(options.model, run_questions(rule, ask, read(f"{options.set}.json")), options.failures)
    dialogues = run_dialogues(rule, ask, read("dialogues.json"))
    kept = sum(all(verdict == "right" for _, verdict in verdicts) for _, verdicts in dialogues)
    print(f"{options.model} dialogues: {kept} of {len(dialogues)}")


if __name__ == "__main__":
    main()
