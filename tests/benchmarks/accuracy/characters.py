"""What default settings reach on the characters of tinyshakespeare.

``python characters.py FOLDER`` prints the rows of docs/generating.md. FOLDER holds
tinyshakespeare.txt.gz, a text of a million characters. Its first 90 % are learned from;
nats per character are those of the next 5 % and of the last 5 %.
"""

import argparse
import gzip
from pathlib import Path

from skrnn import GRULanguageModel, LSTMLanguageModel, RNNLanguageModel

CELLS = {"GRU": GRULanguageModel, "LSTM": LSTMLanguageModel, "RNN": RNNLanguageModel}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=["GRU", "LSTM"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with gzip.open(arguments.folder / "tinyshakespeare.txt.gz", "rt") as file:
        text = file.read()
    learned, seen = int(0.9 * len(text)), int(0.95 * len(text))
    parts = text[:learned], text[learned:seen], text[seen:]
    for cell in arguments.cells:
        model = CELLS[cell](random_state=arguments.seed).fit(parts[:1])
        next_part, last_part = (-model.score([part]) for part in parts[1:])
        print(
            f"{cell:<5} {model.n_iter_} epochs, learned {-model.score(parts[:1]):.3f}, "
            f"next {next_part:.3f}, last {last_part:.3f}",
            flush=True,
        )
        print(model.sample(prefix="ROMEO:", temperature=0.7, random_state=0)[0])


if __name__ == "__main__":
    main()
