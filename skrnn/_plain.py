"""Fitted estimators as a tree of plain values and a table of arrays, and back.

Nothing but what stands in the tables below is ever made again, and making it runs no
code of the file: values become attributes of objects of known classes.
"""

from __future__ import annotations

import inspect
import json
import math
import os
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skrnn._files import ModelFileError

__all__ = ["PlainCopies", "Reader", "Writer", "name_of"]

CELLS = ("RNN", "LSTM", "GRU")
CLASSES = {  # the only ones that are made from a file
    **{f"{cell}Classifier": "skrnn._classifiers" for cell in CELLS},
    **{f"{cell}Regressor": "skrnn._regressors" for cell in CELLS},
    **{f"{cell}Tagger": "skrnn._taggers" for cell in CELLS},
    **{f"{cell}SequenceRegressor": "skrnn._sequence_regressors" for cell in CELLS},
    **{f"{cell}LanguageModel": "skrnn._language_models" for cell in CELLS},
    **{f"{cell}Forecaster": "skrnn.forecasting._forecasters" for cell in CELLS},
    **{f"panel.{cell}Classifier": "skrnn.panel._classifiers" for cell in CELLS},
    **{f"panel.{cell}Regressor": "skrnn.panel._regressors" for cell in CELLS},
    "NextItemRecommender": "skrnn._recommenders",
    "Seq2SeqTransducer": "skrnn._transducers",
    "SequenceScaler": "skrnn._preprocessing",
    "TokenEncoder": "skrnn._tokens",
    "Memory": "skrnn.forecasting._memory",
    "Network": "skrnn.forecasting._network",
    "Standing": "skrnn.forecasting._network",
    "Carry": "skrnn.forecasting._levels",
    "Series": "skrnn.forecasting._panels",
    "Panel": "skrnn.forecasting._panels",
    "Exogenous": "skrnn.forecasting._exogenous",
    "Pipeline": "sklearn.pipeline",
    "StandardScaler": "sklearn.preprocessing",
    "MinMaxScaler": "sklearn.preprocessing",
    "RobustScaler": "sklearn.preprocessing",
    "LabelEncoder": "sklearn.preprocessing",
    "TransformedTargetRegressor": "sklearn.compose",
    "FunctionTransformer": "sklearn.preprocessing",
    "VotingClassifier": "sklearn.ensemble",
    "VotingRegressor": "sklearn.ensemble",
    "Bunch": "sklearn.utils",
}
GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
TIMES = "datetime64", "timedelta64"
DEEPEST = 1000  # objects inside each other: one that holds itself comes to an end
PACKED = "learned"  # under this name a pickle holds it


def class_of(name: str) -> Any:
    """Find a class by the name that files use."""
    if name not in CLASSES:
        raise ModelFileError(f"it holds a {name!r}, which is none of {[*CLASSES]}.")
    return getattr(import_module(CLASSES[name]), name.rpartition(".")[2])


def name_of(value: Any) -> str | None:
    """Name that files use for the class of a value, if they may hold it."""
    cls = type(value)
    names = (cls.__name__, f"panel.{cls.__name__}")
    known = (name for name in names if name in CLASSES)
    return next((name for name in known if class_of(name) is cls), None)


class Writer:
    """Collects the arrays of a value while it describes the value."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self._names: dict[int, tuple[str, Any]] = {}  # an array is written once
        self._objects: list[dict[str, Any]] = []
        self._waiting: list[tuple[int, Any, str, int]] = []  # those without a state
        self._depth = 0  # of the object that is described

    def write(self, value: Any, where: str) -> dict[str, Any]:
        """Describe a value and, in a list, all objects inside it, however deep.

        An object stands before those inside it.
        """
        top = self.describe(value, where)
        while self._waiting:
            place, state, inside, self._depth = self._waiting.pop()
            self._objects[place]["state"] = self._map(state, inside)
        return {"top": top, "objects": self._objects}

    def describe(self, value: Any, where: str) -> Any:
        """Give what JSON can hold; ``where`` names the place in messages and arrays."""
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        if isinstance(value, np.generic):
            return {"is": "scalar", "value": self._array(np.asarray(value), where)}
        if type(value).__name__ == "DtypeKind":  # of sktime, a kind of int
            return self._special(value, where)
        if value is None or isinstance(value, bool | str | int):
            return value
        if isinstance(value, float):
            return (
                value if math.isfinite(value) else {"is": "float", "value": str(value)}
            )
        name = name_of(value)
        if name is not None:
            return self._object(value, name, where)
        if isinstance(value, dict):
            return {"is": "dict", "items": self._items(value, where)}
        if isinstance(value, list | tuple):
            parts = [self.describe(v, f"{where}.{k}") for k, v in enumerate(value)]
            return parts if isinstance(value, list) else {"is": "tuple", "parts": parts}
        if isinstance(value, set | frozenset):
            parts = sorted((self.describe(v, where) for v in value), key=json.dumps)
            return {"is": type(value).__name__, "parts": parts}
        return self._special(value, where)

    def _object(self, value: Any, name: str, where: str) -> Any:
        if self._depth == DEEPEST:
            raise RecursionError(f"{DEEPEST} objects stand inside each other.")
        place, state = len(self._objects), state_of(value)
        self._objects.append({"class": name})
        self._waiting.append((place, state, where, self._depth + 1))
        return {"is": "made", "place": place}

    def _map(self, values: dict[str, Any], where: str) -> dict[str, Any]:
        return {k: self.describe(v, f"{where}.{k}") for k, v in values.items()}

    def _items(self, values: dict[Any, Any], where: str) -> list[Any]:
        return [
            [self.describe(k, f"{where}.key"), self.describe(v, f"{where}.{k}")]
            for k, v in values.items()
        ]

    def _array(self, array: NDArray[Any], where: str) -> Any:
        if array.dtype.kind in "OU":
            parts = [self.describe(each, where) for each in array.ravel().tolist()]
            about = {"dtype": array.dtype.str, "shape": [*array.shape]}
            return {"is": "texts", **about, "parts": parts}
        if array.dtype.kind not in "biufMm" or array.dtype.itemsize > 8:
            return self._refuse(array, where)
        if id(array) not in self._names:
            name, n = where, 1
            while name in self.arrays:
                name, n = f"{where}.{n}", n + 1
            plain = array.view("i8") if array.dtype.kind in "Mm" else array
            plain = plain.astype(plain.dtype.newbyteorder("="), order="C", copy=False)
            self.arrays[name] = plain
            self._names[id(array)] = name, array  # kept, so that ids stay its own
        about = {"is": "array", "name": self._names[id(array)][0]}
        return about | ({"dtype": str(array.dtype)} if array.dtype.kind in "Mm" else {})

    def _special(self, value: Any, where: str) -> Any:
        family = type(value).__module__.split(".")[0]
        if family in ("pandas", "sktime"):
            from skrnn._tables import to_plain

            about = to_plain(value)
            if about is not None:
                return self._map(about, where)
        if family == "torch" and type(value).__name__ == "device":
            return {"is": "device", "name": str(value)}
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, type):
            import torch

            name = value.__qualname__
            if getattr(torch.optim, name, None) is value:
                return {"is": "optimizer", "name": name}
        known = isinstance(value, np.random.RandomState)
        if known and value.get_state(legacy=False)["bit_generator"] == "MT19937":
            state = self._map(value.get_state(legacy=False), where)
            return {"is": "RandomState", "state": state}
        if isinstance(value, np.random.Generator):
            state = self._map(dict(value.bit_generator.state), where)
            return {"is": "Generator", "state": state}
        return self._refuse(value, where)

    def _refuse(self, value: Any, where: str) -> Any:
        raise TypeError(
            f"{where} is {value!r} ({type(value).__name__}), which a model file cannot "
            "hold, because loading it would run its code. Set the parameter to a plain "
            "value first, or use pickle, whose files must be trusted."
        )


def state_of(value: Any) -> dict[str, Any]:
    """Give the attributes that make a value."""
    if isinstance(value, tuple):  # a NamedTuple
        return dict(value._asdict())  # type: ignore[attr-defined]
    if isinstance(value, dict):  # a Bunch
        return dict(value)
    if isinstance(value, PlainCopies):
        return dict(vars(value))
    state = dict(value.__getstate__())
    state.pop("_skl_callbacks", None)  # listeners of a fit, which are no parameters
    return state


class Reader:
    """Makes values from what a ``Writer`` described; anything else is an error."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.arrays = arrays
        self.used: dict[str, NDArray[Any]] = {}  # copies that can be written to
        self._made: dict[int, Any] = {}
        self._depths: dict[int, int] = {}  # of objects, counted from their inside
        self._inside = 0  # largest depth of those in the object that is made

    def read(self, tree: dict[str, Any]) -> Any:
        """Make what ``Writer.write`` described: what is inside is made first."""
        for place, about in reversed([*enumerate(tree["objects"])]):
            self._inside = 0
            self._made[place] = self._make_object(about)
            self._depths[place] = self._inside + 1
            if self._inside == DEEPEST:
                raise ModelFileError(f"more than {DEEPEST} objects hold each other.")
        return self.make(tree["top"])

    def make(self, about: Any) -> Any:
        """Make a value."""
        if isinstance(about, list):
            return [self.make(each) for each in about]
        if not isinstance(about, dict):
            return about
        kind = about.get("is")
        maker = getattr(self, f"_make_{kind}", None)
        if maker is not None:
            return maker(about)
        from skrnn._tables import MAKERS, from_plain

        if kind not in MAKERS:
            raise ModelFileError(f"it holds a value of unknown kind {kind!r}.")
        return from_plain({k: self.make(v) for k, v in about.items()})

    def _make_float(self, about: dict[str, Any]) -> float:
        return float(about["value"])

    def _make_dict(self, about: dict[str, Any]) -> dict[Any, Any]:
        return {self.make(k): self.make(v) for k, v in listed(about["items"])}

    def _make_tuple(self, about: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(self.make(each) for each in listed(about["parts"]))

    def _make_set(self, about: dict[str, Any]) -> set[Any]:
        return {self.make(each) for each in listed(about["parts"])}

    def _make_frozenset(self, about: dict[str, Any]) -> frozenset[Any]:
        return frozenset(self.make(each) for each in listed(about["parts"]))

    def _make_array(self, about: dict[str, Any]) -> NDArray[Any]:
        name = about["name"]
        if name not in self.used:
            self.used[name] = self.arrays[name].copy()
        array = self.used[name]
        kind = about.get("dtype")
        if kind is None:
            return array
        if not kind.startswith(TIMES):
            raise ModelFileError(f"it holds an array of {kind!r}.")
        return array.view(kind)

    def _make_scalar(self, about: dict[str, Any]) -> Any:
        return self.make(about["value"])[()]

    def _make_texts(self, about: dict[str, Any]) -> NDArray[Any]:
        parts = [self.make(each) for each in listed(about["parts"])]
        array = np.empty(len(parts), dtype=object)
        array[:] = parts
        kind = about["dtype"].lstrip("<>|=")
        if kind.startswith("U"):  # as wide as they are, whatever the file says
            array = np.array([str(each) for each in parts])
        elif kind != "O":
            raise ModelFileError(f"it holds texts of type {about['dtype']!r}.")
        return array.reshape(about["shape"])

    def _make_device(self, about: dict[str, Any]) -> Any:
        import torch

        return torch.device(about["name"])

    def _make_optimizer(self, about: dict[str, Any]) -> Any:
        import torch

        kind = getattr(torch.optim, about["name"], None)
        if not isinstance(kind, type) or not issubclass(kind, torch.optim.Optimizer):
            raise ModelFileError(f"it holds an optimizer {about['name']!r}.")
        return kind

    def _make_RandomState(self, about: dict[str, Any]) -> np.random.RandomState:
        generator = np.random.RandomState(0)
        generator.set_state(check_bits(self._map(about["state"])))
        return generator

    def _make_Generator(self, about: dict[str, Any]) -> np.random.Generator:
        state = self._map(about["state"])
        if state["bit_generator"] not in GENERATORS:
            raise ModelFileError(f"it holds a {state['bit_generator']!r}.")
        bits = getattr(np.random, state["bit_generator"])(0)
        bits.state = check_bits(state)
        return np.random.Generator(bits)

    def _map(self, about: dict[str, Any]) -> dict[str, Any]:
        return {k: self.make(v) for k, v in about.items()}

    def _make_made(self, about: dict[str, Any]) -> Any:
        self._inside = max(self._inside, self._depths[about["place"]])
        return self._made[about["place"]]

    def _make_object(self, about: dict[str, Any]) -> Any:
        cls, state = class_of(about["class"]), self._map(about["state"])
        if issubclass(cls, dict | tuple):
            return cls(**state)
        made = cls.__new__(cls)
        state = complete(cls, state)
        if isinstance(made, PlainCopies) or not hasattr(made, "__setstate__"):
            vars(made).update(state)  # as state_of gave it
        else:
            made.__setstate__(state)
        if hasattr(made, "check"):
            made.check()
        return made


class Packer(Writer):
    """A ``Writer`` that puts aside what it cannot describe."""

    def __init__(self) -> None:
        super().__init__()
        self.others: list[Any] = []

    def _refuse(self, value: Any, where: str) -> Any:
        self.others.append(value)
        return {"is": "other", "place": len(self.others) - 1}


class Unpacker(Reader):
    """A ``Reader`` that is given what a ``Packer`` put aside."""

    def __init__(self, arrays: dict[str, NDArray[Any]], others: list[Any]) -> None:
        super().__init__(arrays)
        self.others = others

    def _make_other(self, about: dict[str, Any]) -> Any:
        return self.others[about["place"]]


class PlainCopies:
    """An estimator of sktime whose copies and pickles hold plain values.

    Parameters stay as they are. What was learned becomes a text of JSON and a table of
    arrays, so that neither times of pandas nor anything of torch stands in a pickle,
    and skops asks for nothing but the name of the class. Values that cannot be
    described so, such as the callbacks of a user, are kept in a list.
    """

    def __getstate__(self: Any) -> dict[str, Any]:
        """Give the parameters, and what was learned as plain values."""
        learned = dict(vars(self))
        names = [name for name in self.get_param_names() if name in learned]
        params = {name: learned.pop(name) for name in names}
        packer = Packer()
        tree = json.dumps(packer.write(learned, type(self).__name__))
        return {
            **params,
            PACKED: {"tree": tree, "arrays": packer.arrays, "others": packer.others},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the parameters, and make what was learned again."""
        state = dict(state)
        packed = state.pop(PACKED, None)
        if packed is not None:
            unpacker = Unpacker(packed["arrays"], packed["others"])
            state |= unpacker.read(json.loads(packed["tree"]))
        vars(self).update(state)


def listed(parts: Any) -> list[Any]:
    """Refuse what is no list of JSON, such as a range without end."""
    if not isinstance(parts, list):
        raise ModelFileError(f"it holds a {type(parts).__name__} in place of a list.")
    return parts


def check_bits(state: dict[str, Any]) -> dict[str, Any]:
    """Refuse a generator that would read beyond its numbers; numpy does not look."""
    where, inside = state.get("buffer_pos", 0), state["state"]
    if not 0 <= where <= 4 or not 0 <= inside.get("pos", 0) <= 624:
        raise ModelFileError("it holds a generator that stands beyond its end.")
    return state


def complete(cls: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Give what is newer than a file its default; refuse attributes that are wrong.

    Those are names that a class needs and does not get, that it does not have, or that
    would hide its methods.
    """
    if is_dataclass(cls):
        known = {each.name: each.default for each in fields(cls)}
        wrong = {name for name in state if name not in known}
    else:
        parameters = inspect.signature(cls).parameters.values()
        known = {each.name: each.default for each in parameters}
        wrong = {name for name in state if callable(getattr(cls, name, None))}
        wrong |= {name for name in state if name.startswith("__")}
        known = known if hasattr(cls, "get_params") else {}
    state = {**known, **state}
    wrong |= {name for name, value in state.items() if value is MISSING}
    wrong |= {name for name, value in state.items() if value is inspect.Parameter.empty}
    if wrong:
        raise ModelFileError(f"{cls.__name__} has wrong attributes: {sorted(wrong)}.")
    return state
