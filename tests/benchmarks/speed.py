"""How fast skrnn is, as ratios to hand-written torch loops and to other libraries.

Run it with ``python tests/benchmarks/speed.py``. The contestants take turns in one
process on one core; CPU time is measured, and a ratio is the median over the turns. A
ratio below 1 is faster than the first column. Ratios vary by about a tenth.

- ``contest``: turns, ratios and tables
- ``by_hand``, ``ours``, ``peers``, ``peer_forecasters``: the contestants
- ``fitting``, ``answering``, ``forecasts``, ``writing``, ``processes``: the sections

Other libraries take part if they are installed:
``pip install -e . -r tests/benchmarks/requirements.txt``, in a new environment.
"""

import argparse
import shlex
from pathlib import Path

import torch
from answering import inference, streaming
from contest import Options, about_the_processor, report, use_one_core, versions
from fitting import lengths, search, training
from forecasts import forecasting
from processes import memory, start
from writing import writing

SECTIONS = {
    each.__name__: each
    for each in [
        training,
        lengths,
        inference,
        streaming,
        forecasting,
        writing,
        search,
        start,
        memory,
    ]
}
ON_A_GPU = ["training", "inference"]


def make_parser():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SECTIONS,
        metavar="SECTION",
        help=f"run some sections: {', '.join(SECTIONS)}",
    )
    parser.add_argument("--repeats", type=int, default=5, help="turns (default: 5)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, two turns")
    parser.add_argument("--no-peers", action="store_true", help="no other libraries")
    parser.add_argument(
        "--device",
        default="cpu",
        help="cuda: training and inference on the GPU, time on the wall",
    )
    parser.add_argument("--markdown", type=Path, help="a file to write the tables to")
    return parser


def command_for(asked):
    """The command that repeats what was asked for."""
    words = ["python", "tests/benchmarks/speed.py"]
    words += ["--only", *asked.only] if asked.only else []
    words += [] if asked.device == "cpu" else ["--device", asked.device]
    words += ["--no-peers"] if asked.no_peers else []
    words += ["--quick"] if asked.quick else ["--repeats", str(asked.repeats)]
    return shlex.join(words)


def main(arguments=None):
    parser = make_parser()
    asked = parser.parse_args(arguments)
    on_cpu = asked.device == "cpu"
    names = asked.only or (list(SECTIONS) if on_cpu else ON_A_GPU)
    if not on_cpu and not set(names) <= set(ON_A_GPU):
        parser.error(f"--device {asked.device} is for {' and '.join(ON_A_GPU)}")
    if not on_cpu and not torch.cuda.is_available():
        parser.error(f"--device {asked.device}: torch sees no GPU")
    options = Options(
        repeats=2 if asked.quick else asked.repeats,
        quick=asked.quick,
        device=asked.device,
        peers=not asked.no_peers,
        cores=use_one_core(),
    )
    print(f"{about_the_processor()}; {versions()}")
    tables = []
    for name in names:
        tables += SECTIONS[name](options)
        if asked.markdown:  # after each section: the next one takes minutes
            text = report(tables, options, command_for(asked))
            asked.markdown.write_text(text)


if __name__ == "__main__":
    main()
