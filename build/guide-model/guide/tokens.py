"""The tokenizer: byte-level BPE over our own text, one token per common Chinese character, ChatML specials."""

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# Words with their space, single digits, single Chinese characters, runs of signs.
SPLIT = r"'(?:[sdmt]|ll|ve|re)| ?[A-Za-zÀ-ɏ]+|[0-9]|[㐀-鿿]|[^\sA-Za-z0-9À-ɏ㐀-鿿]+|\s+"


def train_tokenizer(texts, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIALS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=3,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


class Chat:
    """Dialogues as token ids, with how much predicting each of them counts: only answers do, their beginnings most."""

    beginning, beginning_weight, rest_weight = 4, 3.0, 0.5

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.start, self.end = (tokenizer.token_to_id(name) for name in ("<|im_start|>", "<|im_end|>"))
        self.cache = {}

    def ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def kept(self, text):
        if text not in self.cache:
            self.cache[text] = self.ids(text)
        return self.cache[text]

    def prompt(self, turns):
        """[(role, text), …] up to and with the assistant's header."""
        ids = []
        for role, text in turns:
            ids += [self.start, *self.kept(role + "\n"), *self.ids(text), self.end, *self.kept("\n")]
        return ids + [self.start, *self.kept("assistant\n")]

    def example(self, system, turns, cut):
        """turns: [(question, answer), …]; the last answer ends after `cut` tokens (None: whole). → ids, weights of
        predicting each id."""
        ids, weights = [], []

        def put(more, weight):
            ids.extend(more)
            weights.extend([weight] * len(more))

        if system is not None:
            put([self.start, *self.kept("system\n"), *self.ids(system), self.end, *self.kept("\n")], 0.0)
        for index, (question, answer) in enumerate(turns):
            put([self.start, *self.kept("user\n")], 0.0)
            put(self.ids(question), 0.0)
            put([self.end, *self.kept("\n"), self.start, *self.kept("assistant\n")], 0.0)
            text = [*self.kept(answer), self.end]
            last = index == len(turns) - 1
            put(text[: self.beginning], self.beginning_weight)
            put(text[self.beginning : cut if last else None], self.rest_weight)
            if not last:
                put(self.kept("\n"), 0.0)
        return ids, weights
