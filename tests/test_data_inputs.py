"""X at the door: every malformed kind is refused in words that help, and good data comes out in one form."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.neighbors import KNeighborsRegressor, NearestCentroid
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from fewlabels.data.frames import InputTypeError
from fewlabels.data.inputs import Form, check_X, read_X
from fewlabels.errors import InputError
from fewlabels.partial_labels import partial

nan, inf = np.nan, np.inf
AGE = pd.DataFrame({"size": [1.0, 2.0, 3.0], "age": [1.0, nan, nan]})

MALFORMED = {
    "1-D": (np.arange(3.0), InputError, r"Expected 2D array, got 1D.*\(3,\).*Reshape your data"),
    "scalar": (3.0, TypeError, r"X is 3\.0; expected an array \(N, D\)"),
    "None": (None, TypeError, r"X is None"),
    "a file name": ("table.csv", TypeError, r"X is 'table.csv'.*fewlabels\.data\.load|strings"),
    "5-D": (np.zeros((2, 2, 2, 2, 3)), InputError, r"5 dimensions; expected \(N, D\)"),
    "0 rows": (np.zeros((0, 3)), InputError, r"Found array with 0 sample\(s\) \(shape=\(0, 3\)\) while a minimum"),
    "empty list": ([], InputError, r"0 sample\(s\)"),
    "0 columns": (np.zeros((3, 0)), InputError, r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is req"),
    "0 pixels": (np.zeros((3, 0, 4)), InputError, r"0 feature\(s\) \(shape=\(3, 0, 4"),
    "NaN": (np.array([[0.0, 1], [nan, 1], [nan, nan]]), InputError, r"X has NaN in 3 cells \(first: row 1, column 0"),
    "NaN in a frame": (AGE, InputError, r"X has NaN in 2 cells \(first: row 1, column 'age'\). Impute them or drop"),
    "NaN in images": (np.full((2, 4, 4), nan, np.float32), InputError, r"X has NaN in 32 cells \(first: row 0\)"),
    "inf": (np.array([[0.0, -inf]]), InputError, r"X has inf in 1 cell \(first: row 0, column 1\)"),
    "too large": (np.array([[0, 1e39]]), InputError, r"too large for float32 in 1 cell \(first: row 0, column 1\)"),
    "too small": (np.array([[0, -1e39]]), InputError, r"too large for float32 in 1 cell"),
    "strings": (np.array([["a", "b"]]), TypeError, r"X holds strings \(first: 'a'\).*numbers were expected"),
    "numeric strings": ([["1", "2"]], TypeError, r"X holds strings \(first: '1'\).*astype\(float\)"),
    "mixed objects": (np.array([[1, "a"]], object), TypeError, r"X at \(0, 1\) is 'a' of type str"),
    "a dict inside": (np.array([[{"a": 1}, 2]], object), TypeError, r"argument must be .* string.* number"),
    "None inside": ([[1.0, None]], InputError, r"X has NaN in 1 cell \(first: row 0, column 1\)"),
    "complex": (np.array([[1j]]), InputError, r"Complex data not supported: X"),
    "complex object": (np.array([[1j, 2]], object), InputError, r"Complex data not supported: X at \(0, 0\)"),
    "ragged": ([[1, 2], [3]], InputError, r"X is ragged: row 0 has length 2, row 1 has length 1"),
    "masked": (np.ma.masked_equal([[1, 2], [3, 4]], 3), InputError, r"1 masked cells \(first: row 1\).*Impute"),
    "datetime": (np.array([["2020-01-01"]], "M8[D]"), TypeError, r"dates or durations.*numbers"),
    "structured": (np.zeros(3, [("a", float)]), TypeError, r"expected an array \(N, D\)"),
    "sparse": (scipy.sparse.csr_array(np.eye(3)), TypeError, r"X is sparse.*X\.toarray\(\)"),
    "sparse matrix": (scipy.sparse.coo_matrix(np.eye(3)), TypeError, r"X is sparse"),
    "duplicate columns": (pd.DataFrame(np.eye(2), columns=["a", "a"]), InputError, r"duplicate column names.*'a'"),
    "text column": (pl.DataFrame({"n": [1], "city": ["x"]}), TypeError, r"column 'city' of X holds String"),
    "object column": (pd.DataFrame({"o": np.array([1, "a"], object)}), TypeError, r"column 'o' of X at row 1 is 'a'"),
    "category column": (pd.DataFrame({"c": pd.Categorical(["x"])}), TypeError, r"column 'c' of X holds Categorical"),
    "date column": (pa.table({"d": pa.array([0], pa.timestamp("s"))}), TypeError, r"column 'd' of X holds Datetime"),
    "null in a frame": (pl.DataFrame({"n": [1, None]}), InputError, r"NaN in 1 cell \(first: row 1, column 'n'"),
    "mixed names": (pd.DataFrame({"a": [1], 1: [2]}), TypeError, r"Feature names are only supported if all"),
    "lazy frame": (pl.LazyFrame({"a": [1]}), TypeError, r"LazyFrame. Call X\.collect\(\)"),
    "series": (pd.Series([1.0, 2.0]), InputError, r"1D array.*Reshape your data"),
    "channels first": (np.zeros((2, 3, 8, 8)), InputError, r"1 or 3 channels.*np\.moveaxis\(X, 1, -1\)"),
    "4 channels": (np.zeros((2, 8, 8, 4)), InputError, r"\(2, 8, 8, 4\); expected.*1 or 3 channels.*alpha"),
    "no image path": (["cat.txt"], InputError, r"1 of 1 images are bad; first: cannot read image cat\.txt: there is"),
}


@pytest.mark.parametrize(("X", "error", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_X_is_refused(X, error, message):
    with pytest.raises(error, match=message) as caught:
        read_X(X)
    assert isinstance(caught.value, InputError)  # the command line's exit code 3


GOOD_TABLES = {
    "float64": np.eye(3),
    "float32": np.eye(3, dtype=np.float32),
    "int": np.eye(3, dtype=int),
    "bool": np.eye(3, dtype=bool),
    "uint8": np.eye(3, dtype=np.uint8),
    "fortran": np.asfortranarray(np.eye(3)),
    "list": np.eye(3).tolist(),
    "list of arrays": list(np.eye(3)),
    "objects": np.eye(3).astype(object),
    "masked, none masked": np.ma.array(np.eye(3), mask=False),
    "pandas": pd.DataFrame(np.eye(3), columns=list("abc")),
    "pandas Int64": pd.DataFrame(np.eye(3), columns=list("abc")).astype("Int64"),
    "polars": pl.DataFrame(np.eye(3), schema=list("abc")),
    "pyarrow": pa.table(dict(zip("abc", np.eye(3), strict=True))),
}


@pytest.mark.parametrize("name", GOOD_TABLES)
def test_tables_become_float64_in_C_order(name):
    x, form = read_X(GOOD_TABLES[name])
    assert x.dtype == np.float64
    assert x.flags.c_contiguous
    np.testing.assert_array_equal(x, np.eye(3))
    names = ("a", "b", "c") if name.startswith(("pandas", "polars", "pyarrow")) else None
    assert form == Form("table", (3,), "float64", names)


def test_a_pandas_frame_without_names_has_none():
    assert read_X(pd.DataFrame(np.eye(2)))[1].feature_names is None


@pytest.mark.parametrize(("dtype", "kept"), [("u1", "uint8"), ("f8", "float32"), ("i8", "float32"), ("?", "float32")])
@pytest.mark.parametrize("shape", [(2, 5, 6), (2, 5, 6, 1), (2, 5, 6, 3)])
def test_images_get_a_channel_and_keep_uint8(shape, dtype, kept):
    x, form = read_X(np.ones(shape, dtype))
    channels = shape[3] if len(shape) == 4 else 1
    assert form == Form("image", (5, 6, channels), kept)
    assert (x.dtype.name, x.shape) == (kept, (2, 5, 6, channels))
    assert form.n_features == 30 * channels


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(width=32)))
def test_only_finite_tables_pass(X):
    if np.isfinite(X).all():
        np.testing.assert_array_equal(read_X(X)[0], X)
    else:
        with pytest.raises(InputError, match="NaN" if np.isnan(X).any() else "inf"):
            read_X(X)


FRAME = pd.DataFrame(np.eye(4), columns=list("abcd"))
WRONG_AT_PREDICT = {
    "fewer columns": (np.eye(4), np.eye(3), r"X has 3 features, but Knn is expecting 4 features as input"),
    "fewer named columns": (FRAME, FRAME[["a", "b"]], r"should match.*\n.*now missing:\n- c\n- d\n"),
    "renamed": (FRAME, FRAME.rename(columns={"a": "z"}), r"unseen at fit time:\n- z\n.*now missing:\n- a\n"),
    "reordered": (FRAME, FRAME[list("dcba")], r"\nFeature names must be in the same order as they were in fit\."),
    "1-D": (np.eye(4), np.ones(4), r"Reshape your data"),
    "NaN": (np.eye(4), np.full((1, 4), nan), r"X has NaN in 4 cells"),
    "image for a table": (np.eye(4), np.ones((1, 2, 2)), r"images of 2x2x1, but Knn was fitted on a table of 4"),
    "table for images": (np.ones((1, 2, 2)), np.eye(4), r"a table of 4 features, but Knn was fitted on images of"),
    "other size": (np.ones((1, 2, 2)), np.ones((1, 2, 3)), r"images of 2x3x1, but Knn was fitted on images of 2x2x1"),
    "other type": (np.ones((1, 2, 2), "u1"), np.ones((1, 2, 2)), r"holds float32 images, but .* on uint8 ones"),
}


@pytest.mark.parametrize(("fitted", "new", "message"), WRONG_AT_PREDICT.values(), ids=WRONG_AT_PREDICT.keys())
def test_rows_unlike_those_of_fit_are_refused(fitted, new, message):
    with pytest.raises(InputError, match=f"(?s){message}"):
        check_X(new, like=read_X(fitted)[1], name="Knn")


def test_rows_like_those_of_fit_pass():
    form = read_X(FRAME)[1]
    np.testing.assert_array_equal(check_X(pl.from_pandas(FRAME), like=form), np.eye(4))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        check_X(np.eye(4), like=form)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        check_X(FRAME, like=read_X(np.eye(4))[1])


def test_sparse_error_is_a_type_error_and_an_input_error():
    assert issubclass(InputTypeError, InputError)
    assert issubclass(InputTypeError, TypeError)


class _Door(BaseEstimator):
    """The least estimator on `partial` and `check_X`, for scikit-learn's own checks of both."""

    def fit(self, X, y):
        data = partial(X, y, task=self._task)
        self.form_, self.n_features_in_ = data.form, data.form.n_features
        if data.feature_names:
            self.feature_names_in_ = np.array(data.feature_names, dtype=object)
        if data.classes is not None:
            self.classes_ = data.classes
        self.model_ = self._model().fit(data.x[data.labeled], data.y)
        return self

    def predict(self, X):
        check_is_fitted(self)
        out = self.model_.predict(check_X(X, like=self.form_, name=type(self).__name__))
        return out if self._task == "numbers" else self.classes_[out]


class DoorClassifier(ClassifierMixin, _Door):
    _task, _model = "classes", NearestCentroid


class DoorRegressor(RegressorMixin, _Door):
    _task = "numbers"

    def _model(self):
        return KNeighborsRegressor(1)


def _expected_failures(estimator):
    if isinstance(estimator, DoorClassifier):
        return {"check_classifiers_classes": "its last case has the classes -1 and 1, and -1 means unlabeled"}
    return {}


@parametrize_with_checks([DoorClassifier(), DoorRegressor()], expected_failed_checks=_expected_failures)
def test_scikit_learn_finds_its_own_words(estimator, check):
    check(estimator)
