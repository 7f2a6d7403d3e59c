"""What people's fingers do to a question: casing, punctuation, fillers, typos. Applied to training questions only."""

KEYS = {
    "a": "qsz", "b": "vn", "c": "xv", "d": "sfe", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "ko", "m": "n", "n": "mb", "o": "ip", "p": "o", "q": "wa", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}
EN_BEFORE = ["hi, ", "hello, ", "hey, ", "please, ", "ok, ", "so ", "um, ", "well, ", "sorry, ", "quick question: ", "question: ", "and ", "also, ", "hi guide, ", "excuse me, ", "now ", "but ", "one more thing: ", "hello! ", "dear guide, "]
EN_AFTER = [" please", " pls", ", please", " thanks", " again", " in Lanyard", " with Lanyard", " here", " in this app", " exactly", " then", ", thank you", " now", " in lanyard", " for me", ", any idea", " in general", " by the way"]
ZH_BEFORE = ["请问", "请问一下，", "你好，", "麻烦问一下，", "那", "想问下", "问一下，", "那么", "我想知道", "嗨，", "不好意思，", "您好，请问", "话说", "还有，", "对了，", "另外，", "那个，", "想请教一下，"]
ZH_AFTER = ["？谢谢", "呢", "啊", "呀", "，谢谢", "，急", "，求教", "，在线等", "，麻烦说一下", "来着", "，请告诉我", "，拜托"]
HOMOPHONES = {"部署": "部属", "添加": "填加", "连接": "链接", "模型": "摸型", "登录": "登陆", "密码": "蜜码", "机器": "机子", "端口": "端囗", "怎么": "咋", "怎么样": "咋样", "什么": "啥", "为什么": "为啥", "如何": "怎样", "能不能": "能否", "没有": "没", "显卡": "显示卡", "移除": "移出", "停止": "停只", "启动": "起动", "服务": "伏务", "内存": "內存", "电脑": "电恼", "卸载": "卸栽", "拆分": "拆份"}


def typo(word, rng):
    """One slip in a word: swapped, doubled, missing, neighbouring or extra letter."""
    if len(word) < 4:
        return word
    i = rng.randrange(len(word) - 1)
    kind = rng.randrange(5)
    if kind == 0:
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    if kind == 1:
        return word[:i] + word[i] + word[i:]
    if kind == 2:
        return word[:i] + word[i + 1 :]
    near = KEYS.get(word[i].lower())
    if near is None:
        return word
    letter = rng.choice(near)
    return word[:i] + letter + word[i + (1 if kind == 3 else 0) :]


def english(text, rng):
    if rng.random() < 0.13:
        text = rng.choice(EN_BEFORE) + text
    if rng.random() < 0.10:
        text = text + rng.choice(EN_AFTER)
    words = text.split(" ")
    if len(words) > 3 and rng.random() < 0.10:
        drop = [i for i, word in enumerate(words) if word.lower() in STOP]
        for i in sorted(rng.sample(drop, min(len(drop), rng.choice((1, 2)))), reverse=True):
            del words[i]
    if rng.random() < 0.24:
        for _ in range(rng.choice((1, 1, 2))):
            i = rng.randrange(len(words))
            words[i] = typo(words[i], rng)
    text = " ".join(words)
    style = rng.random()
    if style < 0.42:
        text = text[:1].upper() + text[1:]
    elif style < 0.74:
        text = text.lower()
    elif style < 0.77:
        text = text.upper()
    elif style < 0.79:
        text = text.title()
    for contracted, other in CONTRACTIONS:
        if contracted in text and rng.random() < 0.25:
            text = text.replace(contracted, other)
    return text + rng.choice(("?", "?", "?", "?", "", "", "", "", ".", "!", "??", " ?", "...", "?!"))


STOP = {"a", "an", "the", "my", "i", "do", "does", "is", "are", "to", "of", "can", "it", "in", "on", "for", "this", "that"}
CONTRACTIONS = [("what is", "what's"), ("What is", "What's"), ("how do I", "how do i"), ("cannot", "can't"), ("does not", "doesn't"), ("do not", "don't"), ("I am", "I'm"), ("don't", "dont"), ("can't", "cant"), ("doesn't", "doesnt"), ("it is", "it's"), ("what's", "whats"), ("you", "u"), ("is not", "isn't"), ("where is", "where's"), ("I have", "I've"), ("I would", "I'd")]


def chinese(text, rng):
    if rng.random() < 0.15:
        text = rng.choice(ZH_BEFORE) + text
    if rng.random() < 0.10:
        text = text + rng.choice(ZH_AFTER)
    if rng.random() < 0.12:
        for right, wrong in HOMOPHONES.items():
            if right in text and rng.random() < 0.5:
                text = text.replace(right, wrong, 1)
    if len(text) > 5 and rng.random() < 0.06:
        i = rng.randrange(len(text))
        text = text[:i] + text[i + 1 :] if rng.random() < 0.5 else text[:i] + text[i] + text[i:]
    if rng.random() < 0.10:
        text = text.replace("，", rng.choice((",", " ", "")))
    if rng.random() < 0.10:
        text = text.lower()
    return text + rng.choice(("？", "？", "？", "？", "", "", "", "", "", "。", "?", "！", "？？", "~", "…"))
