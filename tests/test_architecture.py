"""The imports of each file, compared with the layers in docs/architecture.md."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skrnn

HOME = Path(skrnn.__file__).parent
FILES = sorted(HOME.rglob("*.py"))
LAYERS = [  # a file may import only from lines above its own
    {"native.__init__", "native.build", "_gpus", "_native", "_processes"},
    {
        "_params",
        "_callbacks",
        "_crf",
        "_sequences",
        "_sessions",
        "_layers",
        "_losses",
        "_devices",
        "_optimizers",
        "_statistics",
        "_files",
        "_graph",
        "_tables",
        "_drawing",
    },
    {"_categories", "_settings", "_stem", "_plain", "_step_targets"},
    {"_embedding", "_formulas", "_sizes"},
    {"_checkpoints"},
    {"_frames", "_missing", "_training_set", "_modules", "datasets"},
    {"_texts"},
    {"_attending", "_running", "_streaming"},
    {"_inputs", "_preparing", "_windows", "_batches", "_labels", "_checks_data"},
    {"_decoding", "_net", "_carrying"},
    {"_validation", "_training", "_checks", "_step_reading"},
    {"_scores_of_items", "_scores_of_steps", "_scores_of_texts"},
    {"_dumping", "metrics", "_checks_steps", "_checks_tokens"},
    {"_fitting"},
    {"_base", "_preprocessing", "_tokens"},
    {"_onnx_inputs"},
    {"_importance", "_onnx_sequence", "_programs", "_per_step", "_steps"},
    {"_explaining"},
    {"_regressors", "_classifiers", "_next_tokens", "testing", "tuning"},
    {
        "_taggers",
        "_sequence_regressors",
        "_language_models",
        "_recommenders",
        "_transducers",
    },
    {"forecasting._times", "forecasting._levels", "forecasting._heads"},
    {"forecasting._guard"},
    {"forecasting._panels", "forecasting._walker"},
    {"forecasting._exogenous", "forecasting._plan", "forecasting._windows"},
    {"forecasting._native_walk"},
    {"forecasting._autoregressive"},
    {"forecasting._network"},
    {"forecasting._learning", "forecasting._memory"},
    {"forecasting._base", "forecasting._steps"},
    {"forecasting._forecasters"},
    {"forecasting.__init__"},
    {"panel._base"},
    {"panel._classifiers", "panel._regressors"},
    {"panel.__init__"},
    {"_exporting"},
    {"_onnx", "_saving", "_torch", "inspection"},
    {"__init__"},
]
DOORS = {  # the files that may import an outside library
    "torch": {
        "_attending",
        "_batches",
        "_carrying",
        "_checkpoints",
        "_checks",
        "_crf",
        "_decoding",
        "_devices",
        "_dumping",
        "_embedding",
        "_gpus",
        "_importance",
        "_layers",
        "_losses",
        "_modules",
        "_native",
        "_net",
        "_optimizers",
        "_plain",
        "_processes",
        "_programs",
        "_running",
        "_settings",
        "_stem",
        "_streaming",
        "_training",
        "forecasting._autoregressive",
        "forecasting._heads",
        "forecasting._learning",
        "forecasting._native_walk",
        "forecasting._network",
        "forecasting._walker",
        "forecasting._windows",
    },
    "skorch": {"_net", "_training"},
    "pandas": {
        "_frames",
        "_tables",
        "forecasting._base",
        "forecasting._exogenous",
        "forecasting._panels",
        "forecasting._times",
    },
    "sktime": {
        "_tables",
        "forecasting._base",
        "panel._classifiers",
        "panel._regressors",
    },
    "safetensors": {"_files"},
    "skpro": {"forecasting._base"},
    "matplotlib": {"inspection"},
    "accelerate": {"_processes"},
    "filelock": {"_gpus"},
    "onnx": {"_onnx"},
    "onnxruntime": {"_onnx"},
    "sacrebleu": {"_scores_of_texts"},
}


def name_of(file):
    """Name of a file's module, without "skrnn."."""
    return ".".join(file.relative_to(HOME).with_suffix("").parts)


def imports(file):
    """All modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: write imports in full"
            inside = node.module == "skrnn"  # names of it are files
            yield from (
                (f"skrnn.{a.name}" for a in node.names) if inside else [node.module]
            )


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_only_go_down(file):
    level = next(i for i, layer in enumerate(LAYERS) if name_of(file) in layer)
    below = set().union(*LAYERS[:level])
    own = {each[6:] for each in imports(file) if each.startswith("skrnn.")}
    assert own <= below


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_each_outside_library_has_one_door(file):
    outside = {name.split(".")[0] for name in imports(file)}
    assert not {
        name for name in outside & set(DOORS) if name_of(file) not in DOORS[name]
    }


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_stay_short(file):
    """At most 450 lines; docstrings do not count."""
    source = file.read_text()
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    docstrings = sum(
        node.body[0].end_lineno - node.body[0].lineno + 1
        for node in ast.walk(ast.parse(source))
        if isinstance(node, documented) and ast.get_docstring(node)
    )
    assert len(source.splitlines()) - docstrings <= 450


@pytest.mark.parametrize(
    ("line", "heavy"),
    [
        ("import skrnn", {*DOORS, "numpy", "sklearn"}),
        ("from skrnn import *", DOORS.keys() - {"pandas"}),  # scikit-learn loads it
    ],
)
def test_import_is_light(line, heavy):
    code = f"import sys; {line}; print(*{set(heavy)} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr, run.returncode) == ("", "", 0)
