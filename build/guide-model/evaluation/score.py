"""Scores answers by the rule in README.md. Pure, except for `evaluate`, which runs the exported model in PyTorch."""

import json
import re
from difflib import SequenceMatcher
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOPICS_FILE = HERE.parents[2] / "renderer" / "help" / "topics.json"
OUTSIDE = "out-of-scope"


def read(name):
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def sentences(text):
    parts = re.split(r"(?<=[.!?])\s+|(?<=[。！？；])", text)
    return [part.strip() for part in parts if part.strip()]


class Rule:
    """An answer is right if it has every key fact of the topic and each of its sentences is one of that topic's
    sentences (at least 85 % alike): so neither another topic's sentence nor garbled text passes."""

    alike = 0.85

    def __init__(self):
        self.topics = {t["id"]: t["answer"] for t in json.loads(TOPICS_FILE.read_text(encoding="utf-8"))}
        self.facts = read("facts.json")

    def judge(self, answer, topic, language):
        """'right', or why it is wrong."""
        low = answer.lower()
        for fact in self.facts[topic][language]:
            if not any(form.lower() in low for form in fact.split("|")):
                other = self.topic_of(answer)
                return f"{other} instead" if other not in (None, topic) else f"lacks “{fact}”"
        own = sentences(self.topics[topic][language])
        for sentence in sentences(answer):
            if max(SequenceMatcher(None, sentence, mine, autojunk=False).ratio() for mine in own) < self.alike:
                return f"has “{sentence}”"
        return "right"

    def topic_of(self, answer):
        """The topic whose answer this resembles, for the report only."""
        start = answer[:40]
        for topic, texts in self.topics.items():
            for text in texts.values():
                if start and text.startswith(start[:20]):
                    return topic
        return None


def rates(results):
    """results: [(question, language, topic, verdict, answer)] → {"en": {"inside": [right, of], "outside": …}, …}."""
    table = {}
    for _, language, topic, verdict, _ in results:
        cell = table.setdefault(language, {"inside": [0, 0], "outside": [0, 0]})["outside" if topic == OUTSIDE else "inside"]
        cell[0] += verdict == "right"
        cell[1] += 1
    return table


def show(name, results, failures=True):
    for language, cells in sorted(rates(results).items()):
        text = ", ".join(f"{kind} {right}/{of} ({100 * right / max(of, 1):.1f} %)" for kind, (right, of) in cells.items() if of)
        print(f"{name} {language}: {text}")
    if failures:
        for question, language, topic, verdict, answer in results:
            if verdict != "right":
                print(f"   {language} {topic:18} {question} → {verdict}")


def run_questions(rule, ask, questions):
    """ask([[(role, text), …], …]) → answers."""
    results = []
    for item, answer in zip(questions, ask([[("user", item["question"])] for item in questions])):
        results.append((item["question"], item["language"], item["topic"], rule.judge(answer, item["topic"], item["language"]), answer))
    return results


def run_dialogues(rule, ask, dialogues):
    """A dialogue counts if every turn is answered right, the model's own answers being the history."""
    results = []
    for dialogue in dialogues:
        turns, verdicts = [], []
        for question, wanted in dialogue["turns"]:
            topic, _, language = wanted.partition(":")
            language = language or ("zh" if re.search("[\u4e00-\u9fff]", question) else "en")
            answer = ask([[*turns, ("user", question)]])[0]
            turns += [("user", question), ("assistant", answer)]
            verdicts.append((question, rule.judge(answer, topic, language)))
        results.append((dialogue["name"], verdicts))
    return results


def evaluate(model_folder, which, threads, failures=True):
    """Greedy and at temperature 0.7 (two seeds). Writes results beside the questions; prints a summary."""
    import torch
    from guide.export import load

    torch.set_num_threads(threads)
    ask = load(model_folder)
    rule = Rule()
    questions = read("questions.json" if which == "evaluation" else "development.json")
    summary = {}
    greedy = run_questions(rule, ask(0.0, 0), questions)
    show("greedy", greedy, failures)
    summary["greedy"] = rates(greedy)
    runs = [run_questions(rule, ask(0.7, seed), questions) for seed in (1, 2)]
    show("temperature 0.7", [r for run in runs for r in run], failures=False)
    summary["temperature 0.7, two seeds"] = rates([r for run in runs for r in run])
    if which == "evaluation":
        dialogues = run_dialogues(rule, ask(0.0, 0), read("dialogues.json"))
        kept = sum(all(verdict == "right" for _, verdict in verdicts) for _, verdicts in dialogues)
        summary["dialogues kept"] = [kept, len(dialogues)]
        print(f"dialogues: {kept} of {len(dialogues)}")
        for name, verdicts in dialogues:
            for question, verdict in verdicts:
                if verdict != "right":
                    print(f"   {name}: {question} → {verdict}")
        (HERE / "results.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary
