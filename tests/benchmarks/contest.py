"""A contest: contestants take turns, and each is compared with the first."""

import gc
import os
import platform
import statistics
import textwrap
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch.optim.optimizer import register_optimizer_step_post_hook

Run = Callable[[], object]
LIBRARIES = ["skrnn", "torch", "skorch", "scikit-learn", "numpy", "sktime", "keras"]
LIBRARIES += ["jax", "darts", "neuralforecast", "gluonts", "pytorch-forecasting"]


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    repeats: int = 5
    quick: bool = False  # tiny sizes: to see that everything runs
    device: str = "cpu"
    peers: bool = True
    cores: frozenset[int] = frozenset()  # that there are for what may use several

    def clock(self) -> float:
        """CPU time of all threads; on a GPU, the time on the wall."""
        if self.device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


def compete(contestants: dict[str, Run], options: Options, clock=None):
    """Median over the turns of each contestant's time / the first one's, by name.

    A contestant that returns a float has measured its time itself. The first turn warms
    up and does not count.
    """
    clock = clock or options.clock
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    gc.collect()
    gc.freeze()  # what is there now need not be looked through before each run
    for turn in range(options.repeats + 1):
        for name, run in contestants.items():
            gc.collect()  # nobody pays for the garbage of another
            start = clock()
            own = run()
            took = clock() - start
            if turn:
                seconds[name].append(own if isinstance(own, float) else took)
    gc.unfreeze()
    base = next(iter(seconds.values()))
    return {name: median_ratio(each, base) for name, each in seconds.items()}


def median_ratio(values, base):
    """Median of the ratios of what was measured in the same turn."""
    return statistics.median(v / b for v, b in zip(values, base, strict=True))


def repeat(times: int, run: Run) -> Run:
    """Run something short so often that it can be timed."""

    def runs():
        for _ in range(times):
            run()

    return runs


def seconds_per_update(run: Run) -> float:
    """CPU time between two updates of any torch optimiser while something runs."""
    ticks: list[float] = []
    hook = register_optimizer_step_post_hook(
        lambda *_: ticks.append(time.process_time())
    )
    try:
        run()
    finally:
        hook.remove()
    if len(ticks) < 2:
        raise RuntimeError("Fewer than two updates were made by a torch optimiser.")
    return (ticks[-1] - ticks[0]) / (len(ticks) - 1)


def use_one_core() -> frozenset[int]:
    """Keep this process to one core and one thread; give the cores it had."""
    threadpool_limits(1)
    torch.set_num_threads(1)
    if not hasattr(os, "sched_getaffinity"):
        return frozenset()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    return frozenset(cores)


@contextmanager
def all_cores(options: Options):
    if options.cores:
        os.sched_setaffinity(0, options.cores)
    try:
        yield
    finally:
        use_one_core()


@dataclass
class Table:
    """Ratios: a row for each task, a column for each contestant. Prints as it grows."""

    title: str
    note: str
    columns: list[str]
    rows: list[tuple[str, dict[str, float]]] = field(default_factory=list)

    def __post_init__(self):
        note = textwrap.fill(self.note, 88)
        print(f"\n{self.title}\n{note}\n{self._line('', self.columns)}", flush=True)

    def add(self, label: str, ratios: dict[str, float]) -> None:
        self.rows.append((label, ratios))
        print(self._line(label, self.cells(ratios)), flush=True)

    def add_mean(self) -> None:
        """Add the geometric means of the columns that have no gap."""
        found = {
            name: statistics.geometric_mean(ratios[name] for _, ratios in self.rows)
            for name in self.columns
            if all(name in ratios for _, ratios in self.rows)
        }
        self.add("geometric mean", found)

    def cells(self, ratios: dict[str, float]) -> list[str]:
        return [f"{ratios[n]:.2f}" if n in ratios else "-" for n in self.columns]

    def _line(self, label, cells):
        widths = [max(8, len(name)) for name in self.columns]
        aligned = (f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        return f"{label:32}" + "  ".join(aligned)

    def markdown(self) -> str:
        lines = [["", *self.columns], ["---", *["---:"] * len(self.columns)]]
        lines += [[label, *self.cells(ratios)] for label, ratios in self.rows]
        grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"## {self.title}\n\n{self.note}\n\n{grid}\n"


def about_the_processor() -> str:
    """In general words: what matters for speed, not which machine it is."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        flags = set()
    machine = {"x86_64": "x86-64", "AMD64": "x86-64"}.get(platform.machine())
    wide = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
    found = next((name for flag, name in wide.items() if flag in flags), None)
    machine = machine or platform.machine()
    return f"{machine} with {found}" if found else machine


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def report(tables: list[Table], options: Options, command: str) -> str:
    """All tables as Markdown, with what is needed to repeat them."""
    place = about_the_processor()
    if options.device != "cpu":
        place += f", {torch.cuda.get_device_name()} for what runs on {options.device}"
    head = f"""# Speed

Ratios of times; below 1 is faster than the first column. The contestants take turns in
one process on one core, and a ratio is the median over {options.repeats} turns of CPU
time, unless a table says otherwise. Ratios vary by about a tenth from run to run, and
from processor to processor by more.

- Processor: {place}.
- Versions: {versions()}.
- Repeat it with `pip install -e . -r tests/benchmarks/requirements.txt` in a new
  environment, and `{command}`.
"""
    if options.quick:
        head += (
            "\nThe sizes were tiny, not those in the notes: these ratios say nothing.\n"
        )
    return "\n".join([head, *(table.markdown() for table in tables)])
