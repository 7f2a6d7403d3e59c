"""Makes Lanyard Guide: `python build/guide-model/make.py all`, or one part of it. See README.md."""

import argparse
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["sample", "hash", "tokenizer", "train", "export", "evaluate", "card", "all"])
    parser.add_argument("--work", type=Path, default=HERE.parent.parent / "dist" / "guide-model", help="checkpoints and logs")
    parser.add_argument("--out", type=Path, default=HERE / "model", help="where the model is exported to")
    parser.add_argument("--steps", type=int, default=4600)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", default="evaluation", choices=["evaluation", "development"])
    parser.add_argument("--count", type=int, default=40)
    options = parser.parse_args()
    args = options

    if args.part == "hash":
        from guide.corpus import corpus_hash

        print(corpus_hash())
    if args.part == "sample":
        from guide.corpus import Corpus

        corpus = Corpus(1)
        for _ in range(args.count):
            for question, topic, language in corpus.dialogue()[1]:
                print(f"{topic:20} {language} {question}")
            print()
    if args.part in ("tokenizer", "all"):
        from guide.train import make_tokenizer

        make_tokenizer(args.work)
    if args.part in ("train", "all"):
        from guide.train import train

        train(args.work, args.steps, args.threads)
    if args.part in ("export", "all"):
        from guide.export import export

        export(args.work, args.out)
    if args.part in ("evaluate", "all"):
        from evaluation.score import evaluate

        evaluate(args.out, args.set, args.threads)
    if args.part in ("card", "all"):
        from guide.export import write_card

        write_card(args.work, args.out)


if __name__ == "__main__":
    main()
