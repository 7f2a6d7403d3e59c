"""The training text: dialogues drawn from the help topics, the wording grammars and the follow-up tables.

Everything is a function of (files, seed): the same seed gives the same dialogues. `corpus_hash` covers every file that
can change them.
"""

import hashlib
import json
import random
from pathlib import Path

from . import followups, noise, outside, synonyms, wording_en, wording_more, wording_zh
from .grammar import Grammar

HERE = Path(__file__).resolve().parent
WORDS = HERE / "words"
TOPICS_FILE = HERE.parents[2] / "renderer" / "help" / "topics.json"
# Everything that the training text depends on, in the order of the hash.
SOURCES = ["corpus.py", "followups.py", "grammar.py", "noise.py", "outside.py", "synonyms.py", "wording_en.py", "wording_more.py", "wording_zh.py"]
# Questions written one by one, by topic and language: those that training sees from the beginning, and what each later
# part of it (train.py, PART_FROM) adds. CUES are words and phrases that belong to one topic alone, from part 1 on.
QUESTIONS = [["hand.json", "everyday.json", "technical.json", "outside.json"], ["further.json"], ["last.json"]]
CUES = "cues.json"
OUTSIDE = "out-of-scope"

EN_DO = [
    "how do I {}", "how do I {}", "how can I {}", "how to {}", "how do you {}", "how would I {}", "how could I {}", "how should I {}", "how does one {}", "{}", "i want to {}", "I'd like to {}", "I need to {}", "we want to {}",
    "what do I (need to|have to|) do to {}", "what is the (best |right |easiest |quickest |)way to {}", "(steps|instructions|a guide|the procedure) to {}", "(show|tell|explain to|teach) me how to {}", "(can|could|may) I {}", "is it possible to {}", "is there a (way|command|button|possibility) to {}", "where (do|can) I {}",
    "(can|could|would) you (tell|explain|show) [me] how to {}", "(help|please help) me {}", "help me to {}", "what (command|button) do I use to {}", "(I am|I'm) trying to {}", "(I don't|i do not) know how to {}", "(I) would like to know how to {}", "what must I do if I want to {}", "(i|we) have to {}", "which steps are needed to {}", "how exactly do I {}", "what does it take to {}", "do you know how to {}", "am I able to {}", "does lanyard let me {}", "how is it possible to {}", "need help: {}", "{}, how", "(i can't|unable to|cannot|failing to) {}", "let me {}", "I wish to {}", "(what's|what is) needed to {}", "want to {}", "want to {} now",
]
EN_ABOUT = [
    "what is {}", "what are {}", "what about {}", "{}", "{}", "(explain|describe) {}", "explain {} to me", "tell me (about|something about|more about) {}", "(info|information|details|help) (on|about) {}", "help with {}", "(I have a|a) question (about|on|regarding) {}", "what does {} mean", "(I don't|i do not) understand {}", "how does {} work",
    "what do I need to know about {}", "what should I know about {}", "can you (explain|describe) {}", "could you tell me about {}", "where (is|do I find) {}", "i am looking for {}", "(meaning|explanation) of {}", "how about {}", "anything about {}", "I want to know about {}", "please explain {}", "what do you know about {}", "(what's|whats) {}", "give me (info|information|details) about {}", "i need (info|help|details) on {}", "{} explained", "why {}", "is there {}", "what exactly is {}", "i'm wondering about {}", "{} - what is that", "teach me about {}", "more on {}",
]
ZH_DO = [
    "怎么{}", "怎么{}", "怎么{}", "如何{}", "如何{}", "怎样{}", "怎样才能{}", "我想{}", "我要{}", "想{}", "{}", "{}怎么操作", "{}怎么弄", "{}的方法", "{}的步骤", "(可以|能|能不能|可不可以){}(吗|)", "在哪里{}", "哪里可以{}", "(告诉我|教我|教教我|请教我|说说)怎么{}", "(帮我|请帮我){}", "{}(要|需要)(怎么做|做什么|几步)", "我(不会|不知道怎么|不知道如何){}", "要怎么{}", "该(怎么|如何){}", "我该怎么{}", "有(办法|什么办法|命令|按钮)(可以|){}吗", "用什么命令{}", "{}该怎么做", "想要{}(怎么办|)", "需要{}", "{}(怎么做|如何操作|如何实现)", "是否可以{}", "(怎么|如何)才可以{}", "怎么去{}", "准备{}", "{}(不了|不成功)",
]
ZH_ABOUT = [
    "{}是什么", "什么是{}", "{}", "{}", "(介绍|解释|讲讲|说说|说明|讲解)一下{}", "(解释|介绍|讲讲){}", "{}是什么意思", "{}(怎么用|怎么样|怎么回事|怎么弄)", "关于{}", "(我想|想|)(了解|知道){}", "{}(有什么用|的作用|的说明)", "(不明白|不懂|没看懂){}", "{}(在哪|在哪里)", "{}(怎么看|怎么理解)", "问一下{}", "什么叫{}", "啥是{}", "{}(呢|的问题)", "请解释{}", "{}(相关|方面)的(问题|信息|帮助)", "有关{}的(信息|说明|帮助)", "{}是怎么(工作|回事)的", "有{}吗", "{}详细说说",
]

SYSTEM_EN = ["You are a helpful assistant.", "Answer briefly.", "You are Lanyard Guide.", "Be polite.", "You are an assistant for Lanyard."]
SYSTEM_ZH = ["你是一个有用的助手。", "请简短回答。", "你是 Lanyard 向导。", "请用中文回答。"]

# Topics whose questions need more examples than the others (many wordings, easily mixed up).
WEIGHTS = {"greeting": 0.7, "thanks": 0.7, "goodbye": 0.6, "who-are-you": 1.5, "what-is-lanyard": 1.2, "add-machine": 1.3, "remove-machine": 1.2, "start-deployment": 1.3, "openai-port": 1.2, "doctor": 1.2}


def load_topics():
    return {topic["id"]: topic for topic in json.loads(TOPICS_FILE.read_text(encoding="utf-8"))}


def corpus_hash():
    """SHA-256 over the help texts and the corpus scripts: name, NUL, bytes, NUL of each. Line ends count as LF."""
    digest = hashlib.sha256()
    for path in [TOPICS_FILE, *(HERE / name for name in SOURCES), *sorted(WORDS.glob("*.json"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def read_words(name):
    return json.loads((WORDS / name).read_text(encoding="utf-8"))


def read_questions(names):
    """{topic: {language: [text, …]}} of several files together."""
    together = {}
    for name in names:
        for topic, texts in read_words(name).items():
            for language, more in texts.items():
                together.setdefault(topic, {"en": [], "zh": []})[language].extend(more)
    return together


class Corpus:
    """part: how many of the later parts' words it has besides the first ones."""

    def __init__(self, seed, part=0):
        self.rng = random.Random(seed)
        self.topics = load_topics()
        self.grammar = {"en": Grammar(wording_en.MACROS, True), "zh": Grammar(wording_zh.MACROS, False)}
        self.outside = {"en": Grammar(outside.EN["MACROS"], True), "zh": Grammar(outside.ZH["MACROS"], False)}
        self.outside_patterns = {"en": outside.EN["ask"], "zh": outside.ZH["ask"]}
        self.wording = {"en": wording_en.TOPICS, "zh": wording_zh.TOPICS}
        self.more = {"en": wording_more.EN, "zh": wording_more.ZH}
        # Written by hand, one by one, as they are: no grammar reaches all the ways in which people ask.
        self.hand = read_questions([name for names in QUESTIONS[: part + 1] for name in names])
        self.cues = read_words(CUES) if part > 0 else {}
        self.nouns = read_words("nouns.json")
        self.inside = [id for id in self.topics if id != OUTSIDE]
        self.weights = [WEIGHTS.get(id, 1.0) for id in self.inside]
        for language in ("en", "zh"):
            missing = (set(self.inside) ^ set(self.wording[language])) | (set(self.inside) ^ set(self.more[language]))
            if missing:
                raise ValueError(f"wording in {language}: {sorted(missing)}")
        follow = read_words("follow.json")
        # kind: (answer's topic by the earlier topic, grammars by language, plain wordings by language)
        self.follow = {
            kind: ({**targets, **follow["tables"][kind]}, {"en": en, "zh": zh}, follow["kinds"][kind])
            for kind, (targets, en, zh) in followups.KINDS.items()
        }
        self.follow_words = follow["kinds"]
        self.pairs = {}
        for pair in follow["pairs"]:
            self.pairs.setdefault(pair["from"], []).append(pair)

    def answer(self, topic, language):
        return self.topics[topic]["answer"][language]

    def language(self):
        return "en" if self.rng.random() < 0.55 else "zh"

    def noisy(self, text, language):
        if self.rng.random() < 0.1:
            return text
        if self.rng.random() < 0.45:
            text = synonyms.reword(text, synonyms.EN if language == "en" else synonyms.ZH, self.rng, self.rng.choice((1, 1, 2)))
        return noise.english(text, self.rng) if language == "en" else noise.chinese(text, self.rng)

    def question(self, topic, language, noisy=True):
        """One question about a topic: written by hand, in the words of the grammars, or a cue in a frame."""
        rng, wording = self.rng, self.wording[language][topic]
        kinds = [("do", 0.36 if wording["do"] else 0), ("about", 0.24 if wording["about"] else 0), ("ask", 0.34), ("more", 0.3), ("hand", 3.0), ("cue", 0.6 if topic in self.cues else 0)]
        kind = rng.choices([k for k, _ in kinds], [w for _, w in kinds])[0]
        if kind == "hand":
            text = rng.choice(self.hand[topic][language])
            return self.noisy(text, language) if noisy else text
        frames = {"en": {"do": EN_DO, "about": EN_ABOUT}, "zh": {"do": ZH_DO, "about": ZH_ABOUT}}[language]
        if kind == "cue":
            text = self.cue(topic, language)
            kind = "about" if rng.random() < 0.35 else ""
        else:
            patterns = self.more[language][topic] if kind == "more" else wording[kind]
            text = self.grammar[language].sample(rng.choice(patterns), rng)
        if kind in ("do", "about"):
            text = self.grammar[language].sample(rng.choice(frames[kind]), rng).replace("{}", text)
        return self.noisy(text, language) if noisy else text

    def cue(self, topic, language):
        """One or two words or phrases that belong to a topic alone."""
        rng = self.rng
        parts = rng.sample(self.cues[topic][language], 2 if rng.random() < 0.4 else 1)
        joints = (" ", ", ", " and ", " or ", "; ") if language == "en" else ("，", "、", " ", "和", "还有")
        return rng.choice(joints).join(parts)

    def outside_question(self, language, noisy=True):
        rng, roll = self.rng, self.rng.random()
        if roll < 0.45:
            text = rng.choice(self.hand[OUTSIDE][language])
        elif roll < 0.68:
            # The frames of questions in scope, about other things: what is asked about has to decide.
            kind = rng.choice(("things", "subjects", "tasks"))
            frames = (EN_DO if kind == "tasks" else EN_ABOUT) if language == "en" else (ZH_DO if kind == "tasks" else ZH_ABOUT)
            frame = self.grammar[language].sample(rng.choice(frames), rng)
            text = frame.replace("{}", rng.choice(self.nouns[language][kind]))
        elif roll < 0.96:
            text = self.outside[language].sample(rng.choice(self.outside_patterns[language]), rng)
        else:
            text = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randrange(2, 10)))
        return self.noisy(text, language) if noisy else text

    def first(self):
        """(question, topic, language) that needs nothing before it."""
        rng = self.rng
        language = self.language()
        if rng.random() < 0.3:
            return self.outside_question(language), OUTSIDE, language
        topic = rng.choices(self.inside, self.weights)[0]
        return self.question(topic, language), topic, language

    def next_turn(self, topic, language):
        """A question after an answer about `topic`: a follow-up that needs it, or a new one that does not."""
        rng = self.rng
        if topic == OUTSIDE or rng.random() > 0.75:
            return self.first()
        options = [kind for kind, (targets, _, _) in self.follow.items() if topic in targets]
        pairs = self.pairs.get(topic, [])
        roll = rng.random()
        if roll < 0.16 or not (options or pairs):
            return self.same_again(topic, language)
        if pairs and (roll < 0.5 or not options):
            pair = rng.choice(pairs)
            return self.noisy(rng.choice(pair[language]), language), pair["to"], language
        targets, patterns, words = self.follow[rng.choice(options)]
        if rng.random() < 0.65:
            text = rng.choice(words[language])
        else:
            text = self.grammar[language].sample(rng.choice(patterns[language]), rng)
        return self.noisy(text, language), targets[topic], language

    def same_again(self, topic, language):
        """The same answer once more, or in the other language."""
        rng, other = self.rng, "zh" if language == "en" else "en"
        if rng.random() < 0.3:
            grammar = followups.AGAIN_EN if language == "en" else followups.AGAIN_ZH
            kind, wanted = "again", language
        else:
            grammar = followups.TO_CHINESE if other == "zh" else followups.TO_ENGLISH
            kind, wanted = ("to-chinese" if other == "zh" else "to-english"), other
        if rng.random() < 0.65:
            text = rng.choice(self.follow_words[kind][language if rng.random() < 0.7 or kind == "again" else other])
        else:
            text = self.grammar[language if kind == "again" else "en"].sample(rng.choice(grammar), rng)
        return self.noisy(text, "en" if text.isascii() else "zh"), topic, wanted

    def dialogue(self):
        """(system or None, [(question, topic, language), …])."""
        rng = self.rng
        turns = [self.first()]
        more = rng.random()
        if more < 0.22:
            turns.append(self.next_turn(turns[-1][1], turns[-1][2]))
            if more < 0.05:
                turns.append(self.next_turn(turns[-1][1], turns[-1][2]))
        system = None
        if rng.random() < 0.02:
            system = rng.choice(SYSTEM_EN if turns[0][2] == "en" else SYSTEM_ZH)
        return system, turns
