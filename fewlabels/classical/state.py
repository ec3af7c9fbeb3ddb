"""A fitted classical estimator <-> plain values and arrays, for model files. Classes come from a closed list."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fewlabels import recipes
from fewlabels.audits.finding import Finding
from fewlabels.data.inputs import Form
from fewlabels.errors import SaveError, UnsafeFileError

# Bytes of class names, at most.
_MOST_TEXT = 64 * 2**20
# Estimators of scikit-learn whose fitted state is arrays and plain values, which may be parts of a model.
_PARTS: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        BernoulliNB,
        GaussianNB,
        LinearSVC,
        LogisticRegression,
        MultinomialNB,
        Pipeline,
        Ridge,
        SGDClassifier,
        StandardScaler,
    )
}


def _known() -> dict[str, type[Any]]:
    from fewlabels.classical.registry import CLASSES

    return _PARTS | CLASSES


def encode(value: Any, arrays: dict[str, NDArray[Any]], place: str = "model") -> Any:
    """`value` as what JSON can hold; numeric arrays go into `arrays`, under the name of their `place`.

    Raises
    ------
    SaveError : an object of a class that is not on the list
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if np.isfinite(value) else {"float": str(value)}
        case np.generic():
            return encode(value.item(), arrays, place)
        case list() | tuple():
            items = [encode(item, arrays, f"{place}.{i}") for i, item in enumerate(value)]
            return items if isinstance(value, list) else {"tuple": items}
        case dict():
            pairs = [[encode(k, arrays, place), encode(v, arrays, f"{place}.{k}")] for k, v in value.items()]
            return {"dict": pairs}
        case slice():
            return {"slice": encode([value.start, value.stop, value.step], arrays, place)}
        case np.ndarray():
            return _encode_array(value, arrays, place)
        case Form():
            return {"form": encode(vars(value), arrays, place)}
        case np.random.RandomState():
            return None  # a seed that was drawn cannot be drawn again
        case Finding():
            return {"finding": encode(dataclasses.asdict(value), arrays, place)}
    if dataclasses.is_dataclass(value) and recipes.is_known(value):
        return {"recipe": recipes.to_dict(value)}
    if issparse(value):
        return {"csr": [encode(part, arrays, f"{place}.{i}") for i, part in enumerate(_csr_parts(value))]}
    name = type(value).__name__
    if isinstance(value, BaseEstimator) and _known().get(name) is type(value):
        return {"estimator": name} | {
            "params": encode(value.get_params(deep=False), arrays, f"{place}.params"),
            "fitted": encode(_fitted(value), arrays, place),
        }
    raise SaveError(
        f"cannot save {place}, an object of {type(value).__module__}.{name}: files hold arrays and plain values, no "
        "code. Use pickle at your own risk, or one of the default parts."
    )


def _fitted(model: Any) -> dict[str, Any]:
    params = model.get_params(deep=False)
    return {name: value for name, value in vars(model).items() if name not in params}


def _csr_parts(value: Any) -> list[Any]:
    return [value.data, value.indices, value.indptr, np.array(value.shape)]


def _encode_array(value: NDArray[Any], arrays: dict[str, NDArray[Any]], place: str) -> Any:
    if value.dtype.kind in "biuf":
        if place in arrays:
            raise SaveError(f"two parts of the model have the name {place}")
        arrays[place] = np.ascontiguousarray(value)
        return {"array": place}
    # each value once, and which of them stands where: a million labels are few words. True == 1, hence the type
    flat = value.ravel().tolist()
    kinds = {(type(item), item): item for item in flat}
    order = {key: i for i, key in enumerate(kinds)}
    codes = np.array([order[type(item), item] for item in flat], dtype=np.int32).reshape(value.shape)
    items = [encode(item, arrays, f"{place}.{i}") for i, item in enumerate(kinds.values())]
    return {"items": items, "dtype": value.dtype.str, "codes": _encode_array(codes, arrays, place)}


def decode(plain: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """The inverse of `encode`.

    Raises
    ------
    UnsafeFileError : a class or a form that is not on the list
    """
    if isinstance(plain, list):
        return [decode(item, arrays) for item in plain]
    if not isinstance(plain, dict):
        return plain
    match plain:
        case {"float": "nan" | "inf" | "-inf" as text}:
            return float(text)
        case {"tuple": items}:
            return tuple(decode(items, arrays))
        case {"dict": pairs}:
            return {decode(key, arrays): decode(value, arrays) for key, value in pairs}
        case {"slice": parts}:
            return slice(*parts)
        case {"array": str(name)}:
            return arrays[name]
        case {"items": list(items), "dtype": str(dtype), "codes": codes}:
            check_type(np.dtype(dtype), len(items))
            array = np.empty(len(items), dtype=dtype)
            array[:] = decode(items, arrays)
            return array[decode(codes, arrays)]
        case {"form": values}:
            return Form(**decode(values, arrays))
        case {"finding": values}:
            return Finding(**decode(values, arrays))
        case {"recipe": dict(values)}:
            return recipes.from_dict(values)
        case {"csr": parts}:
            data, indices, indptr, shape = decode(parts, arrays)
            matrix = csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
            matrix.check_format(full_check=True)  # compiled code follows these indices unchecked
            return matrix
        case {"estimator": str(name), "params": params, "fitted": fitted} if name in _known():
            options = decode(params, arrays)
            if options.get("memory") is not None:  # a folder of pickles that a Pipeline would read
                raise UnsafeFileError(f"{name} with memory={options['memory']!r} is not read from files.")
            model = _known()[name](**options)
            vars(model).update(decode(fitted, arrays))
            return model
    raise UnsafeFileError(f"the model holds {str(plain)[:80]!r}, which is not known.")


def check_type(dtype: np.dtype[Any], n: int) -> None:
    """Refuse types that no file of ours has, and texts so wide that `n` of them would exhaust memory.

    Raises
    ------
    UnsafeFileError
    """
    if dtype.kind not in "biufUSTO" or dtype.itemsize * n > _MOST_TEXT:
        raise UnsafeFileError(f"{n} values of type {dtype} are not read from files.")
