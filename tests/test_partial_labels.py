"""y at the door: each mark of "unlabeled", each malformed y, and types that stay the user's own."""

import datetime
import inspect
import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hidden import Unknown
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.exceptions import DataConversionWarning

import fewlabels as fl
from fewlabels.data.labels import as_vector, guess_task, read_labels
from fewlabels.errors import InputError, OptionError
from fewlabels.partial_labels import partial

nan = np.nan
OBJECT = np.array(["a", None, "b", None], dtype=object)


def table(y):
    return np.arange(2.0 * len(y)).reshape(-1, 2)


# Four rows each, of which rows 0 and 2 are labeled with two classes.
MARKS = {
    "ints": (np.array([0, -1, 1, -1]), [0, 1], int),
    "int8": (np.array([0, -1, 1, -1], np.int8), [0, 1], int),
    "list of ints": ([5, -1, 7, -1], [5, 7], int),
    "floats -1": (np.array([0.0, -1, 1, -1]), [0, 1], float),
    "floats NaN": (np.array([3.0, nan, 1, nan]), [1, 3], float),
    "objects None": (OBJECT, ["a", "b"], str),
    "list None": (["a", None, "b", None], ["a", "b"], str),
    "list NaN": (["a", nan, "b", nan], ["a", "b"], str),
    "list -1 among names": (["a", -1, "b", -1], ["a", "b"], str),
    "strings ''": (np.array(["a", "", "b", ""]), ["a", "b"], str),
    "object ''": (np.array(["a", "", "b", ""], object), ["a", "b"], str),
    "StringDType ''": (np.array(["a", "", "b", ""], np.dtypes.StringDType()), ["a", "b"], str),
    "object ints None": (np.array([2, None, 1, None], object), [1, 2], int),
    "object ints -1": (np.array([2, -1, 1, -1], object), [1, 2], int),
    "pd.NA": (np.array(["a", pd.NA, "b", pd.NA], object), ["a", "b"], str),
    "pd.NaT": (np.array(["a", pd.NaT, "b", pd.NaT], object), ["a", "b"], str),
    "bools None": ([True, None, False, None], [False, True], bool),
    "pandas str": (pd.Series(["a", None, "b", None]), ["a", "b"], str),
    "pandas float": (pd.Series([1, None, 0, None]), [0, 1], float),
    "pandas Int64": (pd.Series([1, None, 0, None], dtype="Int64"), [0, 1], int),
    "pandas boolean": (pd.Series([True, None, False, None], dtype="boolean"), [False, True], bool),
    "pandas Categorical": (pd.Categorical(["b", None, "a", None], categories=list("abz")), ["a", "b"], str),
    "pandas category": (pd.Series(["b", None, "a", None], dtype="category"), ["a", "b"], str),
    "pandas ints": (pd.Series([4, -1, 2, -1], index=[9, 8, 7, 6]), [2, 4], int),
    "polars str": (pl.Series(["a", None, "b", None]), ["a", "b"], str),
    "polars int": (pl.Series([1, None, 0, None]), [0, 1], int),
    "polars float": (pl.Series([1.0, nan, 0, None]), [0, 1], float),
    "polars category": (pl.Series(["a", None, "b", None], dtype=pl.Categorical), ["a", "b"], str),
    "pyarrow": (pa.chunked_array([["a", None], ["b", None]]), ["a", "b"], str),
    "pyarrow array": (pa.array([1, None, 0, None]), [0, 1], float),
}


@pytest.mark.parametrize(("y", "classes", "kind"), MARKS.values(), ids=MARKS.keys())
def test_every_mark_means_unlabeled_and_classes_keep_their_type(y, classes, kind):
    part = partial(table(y), y)
    assert part.labeled.tolist() == [0, 2]
    assert part.unlabeled.tolist() == [1, 3]
    assert part.classes.tolist() == classes
    assert all(type(c) is kind for c in part.classes.tolist())
    assert part.y.dtype == np.int64
    assert part.classes[part.y].tolist() == np.asarray(y, object)[[0, 2]].tolist()
    assert part.classes.dtype != "U1" or np.asarray(y).dtype.kind == "U", "strings in objects stay objects"
    assert (part.n_rows, part.n_classes) == (4, 2)


NAMED = {
    "word": (["a", "unknown", "b", "unknown"], "unknown", ["a", "b"]),
    "zero": (np.array([1, 0, 2, 0]), 0, [1, 2]),
    "minus one": (np.array([3, -1, 2, -1]), -1, [2, 3]),
    "zero, so that -1 is a class": (np.array([-1, 0, 1, 0]), 0, [-1, 1]),
    "word, so that the string -1 is a class": (["b", "?", "-1", "?"], "?", ["-1", "b"]),
    "string -1": (np.array(["a", "-1", "b", "-1"]), "-1", ["a", "b"]),
    "empty": (np.array(["a", "", "b", ""]), "", ["a", "b"]),
    "None": (OBJECT, None, ["a", "b"]),
    "NaN": (np.array([-1, nan, 1, nan]), nan, [-1, 1]),
    "-1 among booleans": ([True, -1, False, -1], -1, [False, True]),
}


@pytest.mark.parametrize(("y", "mark", "classes"), NAMED.values(), ids=NAMED.keys())
def test_a_named_mark_takes_the_place_of_the_usual_ones(y, mark, classes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        part = partial(table(y), y, unlabeled=mark)
    assert part.labeled.tolist() == [0, 2]
    assert part.classes.tolist() == classes
    assert read_labels(y, unlabeled=mark).mark == repr(mark)


def test_unlabeled_None_lets_minus_one_be_a_class():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # which need not occur
        part = partial(np.eye(4), [-1, 1, 1, -1], unlabeled=None)
    assert (part.classes.tolist(), len(part.labeled)) == ([-1, 1], 4)


def test_a_named_mark_that_never_occurs_is_pointed_out():
    with pytest.warns(UserWarning, match="unlabeled='unkown' does not occur in y"):
        partial(np.eye(3), ["a", "unknown", "b"], unlabeled="unkown")
    with pytest.warns(UserWarning, match="does not occur"):
        assert read_labels(["a", "b"], unlabeled="?").mark is None


MALFORMED = {
    "None": (None, {}, InputError, r"requires y to be passed, but the target y is None"),
    "wrong length": ([0, 1, -1], {}, InputError, r"inconsistent numbers of samples: X has 4, y has 3"),
    "all -1": ([-1] * 4, {}, InputError, r"no labeled row: all 4 are -1\. Label at least one row of each of two"),
    "all None": ([None] * 4, {}, InputError, r"no labeled row: all 4 are None"),
    "all NaN": ([nan] * 4, {}, InputError, r"no labeled row: all 4 are NaN"),
    "all '?'": (["?"] * 4, {"unlabeled": "?"}, InputError, r"no labeled row: all 4 are '\?'"),
    "all ''": ([""] * 4, {}, InputError, r"no labeled row: all 4 are ''"),
    "one class": (
        [1, 1, -1, -1],
        {},
        InputError,
        r"only one class, 1, in its 2 labeled rows \(if -1 is a class too, make the classes strings\)\. At least two",
    ),
    "one class of strings": (
        ["a", "a", "", ""],
        {},
        InputError,
        r"'a', in its 2 labeled rows\. At least two .* label rows of another",
    ),
    "a rare class": ([0, 0, 1, -1], {"min_per_class": 2}, InputError, r"class 1 has 1 labeled rows \(first: row 2\); "),
    "-1 and ''": ([0, -1, "", -1], {}, InputError, r"2 ways: -1 \(2×, first: row 1\) and '' \(1×, first: row 2\)"),
    "-1 and NaN": (
        [0.0, -1, nan, 1],
        {},
        InputError,
        r"2 ways: -1 \(1×, .* and NaN \(1×.*if one of these is a label, rename it",
    ),
    "None and ''": (["a", None, "", "b"], {}, InputError, r"2 ways: None \(1×.* and '' \(1×"),
    "None and NaN": (["a", None, nan, "b"], {}, InputError, r"2 ways: None .* and NaN"),
    "NA and NaT": (np.array(["a", pd.NA, pd.NaT, "b"], object), {}, InputError, r"ways: NA \(1×.* and NaT \(1×"),
    "-1, None, ''": ([0, -1, None, ""], {}, InputError, r"in 3 ways"),
    "a second mark": (["a", "?", None, "b"], {"unlabeled": "?"}, InputError, r"y has None in 1 rows \(first: row 2\)"),
    "a second mark ''": (["a", "?", "", "b"], {"unlabeled": "?"}, InputError, r"y has '' in 1 rows \(first: row 2\)"),
    "-2": ([0, 1, -1, -2], {}, InputError, r"y\[3\] = -2: of the negative numbers only -1 is known"),
    "-2 float": ([0.0, 1, -1, -2], {}, InputError, r"y\[3\] = -2\.0: of the negative"),
    "fractions": ([0, 1.5, -1, 1], {}, InputError, r"Unknown label type: continuous\. y\[1\] = 1\.5 .*task='numbers'"),
    "inf": ([0, 1, -1, np.inf], {}, InputError, r"Unknown label type: continuous\. y\[3\] = inf"),
    "'-1'": (["a", "b", "-1", "-1"], {}, InputError, r"y\[2\] is the string '-1'.*put None"),
    "'-1' objects": (np.array(["a", "-1", "b", "-1"], object), {}, InputError, r"y\[1\] is the string '-1'"),
    "bool and -1": ([True, False, -1, -1], {}, InputError, r"True/False with -1.*by None"),
    "bool and int": ([True, 2, None, None], {}, TypeError, r"mixes types: y\[0\] = True is bool and y\[1\] = 2 is num"),
    "str and int": (["a", None, 2, None], {}, TypeError, r"y\[0\] = 'a' is str and y\[2\] = 2 is number"),
    "one-hot": (
        np.eye(4),
        {},
        InputError,
        r"y should be a 1d array.*\(4, 4\).*like a one-hot or multilabel matrix.*argmax",
    ),
    "soft labels": (np.full((4, 2), 0.5), {}, InputError, r"y should be a 1d array.*like a soft-label matrix.*argmax"),
    "2-D": (np.full((4, 2), 7), {}, InputError, r"shape \(4, 2\) instead\. Pass one label a row"),
    "2-D floats": (np.full((4, 2), 7.0), {}, InputError, r"shape \(4, 2\) instead\. Pass one label a row"),
    "2-D text": (np.full((4, 2), "a"), {}, InputError, r"shape \(4, 2\) instead\. Pass one label a row"),
    "3-D": (np.full((4, 1, 1), 1), {}, InputError, r"shape \(4, 1, 1\) instead\. Pass one label a row"),
    "no column": (np.empty((4, 0)), {}, InputError, r"shape \(4, 0\) instead\. Pass one label a row"),
    "no row": (np.empty((0, 3)), {}, InputError, r"y should be a 1d array, got an array of shape \(0, 3\) instead"),
    "sparse": (csr_array([[0, 1, 0, 1]]), {}, TypeError, r"y is sparse of shape \(1, 4\); labels are dense"),
    "one row": (np.array([[0, 1, -1, 1]]), {}, InputError, r"shape \(1, 4\) instead\. It is one row: pass y\.ravel"),
    "2-D counts": (np.full((4, 2), 2), {}, InputError, r"shape \(4, 2\) instead\. Pass one label a row"),
    "0-D": (3, {}, InputError, r"y should be a 1d array, got an array of shape \(\)"),
    "ragged": ([[1], [1, 2], [1], [1]], {}, InputError, r"y is ragged"),
    "masked": (np.ma.masked_equal([0, 1, 2, 3], 2), {}, InputError, r"masked cells.*y\.filled\(-1\)"),
    "datetime": (np.array(["2020-01-01"] * 4, "M8[D]"), {}, TypeError, r"Unknown label type: y holds datetime64"),
    "dates": ([datetime.date(2020, 1, 1)] * 4, {}, TypeError, r"Unknown label type: y\[0\] is date"),
    "complex": (np.array([1j, 2, 3, 4]), {}, InputError, r"Complex data not supported: y"),
    "bytes": (np.array([b"a", b"b"] * 2), {}, TypeError, r"Unknown label type: y holds \|S1"),
    "unknown objects": ([0, 1, -1, Unknown()], {}, TypeError, r"Unknown label type: y\[3\] is Unknown"),
    "text as numbers": (["1", "2", "3", "4"], {"task": "numbers"}, TypeError, r"y\[0\] = '1' is not a number"),
    "'' as numbers": ([1.0, "", 2.0, 3.0], {"task": "numbers"}, TypeError, r"mixes types.*y\[1\] = '' is str"),
    "all '' as numbers": (np.array([""] * 4), {"task": "numbers"}, TypeError, r"y\[0\] = '' is not a number"),
    "inf as number": ([1.0, np.inf, 2, nan], {"task": "numbers"}, InputError, r"y\[1\] is inf \(inf\)\. Targets are"),
    "no number": ([nan] * 4, {"task": "numbers"}, InputError, r"no labeled row: all 4 are NaN\. Label some rows"),
    "unknown task": ([0, 1, 0, 1], {"task": "ranks"}, OptionError, r"task='ranks' is unknown; it is 'classes' or"),
    "impossible mark": ([0, 1, 0, 1], {"unlabeled": True}, OptionError, r"unlabeled=True cannot be a mark"),
}


@pytest.mark.parametrize(("y", "options", "error", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_y_is_refused(y, options, error, message):
    with pytest.raises(error, match=message) as caught:
        partial(np.eye(4), y, **options)
    assert isinstance(caught.value, InputError | OptionError)


WRAPPED = r"y is uint8 and holds 255, which is what -1 becomes.* If it means an unlabeled row, use a signed type"


@pytest.mark.parametrize(
    ("y", "options", "words"),
    [
        (np.uint8([0, 1, 255, 1]), {}, WRAPPED),
        (np.uint8([0, 253, 255, 1]), {}, WRAPPED),
        (np.uint8([0, 254, 255, 1]), {}, None),  # all values up to the largest
        (np.uint8([0, 1, 254, 1]), {}, None),
        (np.uint8([0, 255, 255, 0]), {}, None),  # black and white
        (np.array([0, 1, 255, 1]), {}, None),
        (np.uint8([0, 1, 255, 7]), {"unlabeled": 7}, None),  # whoever names the mark knows it
        (np.uint8([0, 1, 255, 1]), {"unlabeled": None}, None),
        (np.arange(21), {}, r"y has 21 different numbers in its 21 labeled rows, and each counts as a class"),
        (np.arange(22) % 12, {}, "y has 12 different numbers in its 22 labeled rows"),
        (np.arange(22) % 11, {}, None),
        (np.arange(20), {}, None),
        ([-1.0, -1, 0.5, 2], {"task": "numbers"}, r"y is -1 in 2 of 4 rows.* no row counts as unlabeled"),
        ([-1.0, -1, 0.5, 2, 3], {"task": "numbers"}, None),
        ([-1.0, -1, 0.5, nan], {"task": "numbers"}, None),  # NaN is the mark, so -1 is a number
        ([1.0, nan, nan, 2], {"task": "numbers"}, None),
    ],
)
def test_a_y_that_is_possible_and_probably_not_meant_is_pointed_out(y, options, words):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        partial(table(y), y, **options)
    assert len(caught) == (words is not None)
    for warning in caught:
        assert re.search(words, str(warning.message))


def test_a_warning_points_to_the_line_that_calls_an_estimator():
    def fit(y, **options):
        return partial(np.eye(len(y)), y, **options)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(np.uint8([0, 1, 255, 1]))
        fit(np.arange(21))
        fit([-1.0, -1, 0.5, 2], task="numbers")
        fit(["a", "unknown", "b"], unlabeled="unkown")
        fit(np.array([[0], [1], [-1]]))
    here = inspect.currentframe().f_lineno
    assert {warning.filename for warning in caught} == {__file__}
    assert [warning.lineno - here for warning in caught] == [-5, -4, -3, -2, -1]


def test_sides_are_those_of_domain_and_else_labeled_and_unlabeled_rows():
    x, y = np.eye(5), [0, -1, 1, -1, -1]
    assert [side.tolist() for side in partial(x, y).sides()] == [[0, 2], [1, 3, 4]]
    for labels, task in ((y, "classes"), ([0.5, nan, 1, 2, 3], "numbers")):
        part = partial(x, labels, task=task, domain=[-1, 1, 2, -3, 1])
        assert [side.tolist() for side in part.sides()] == [[1, 2, 4], [0, 3]]
    with pytest.raises(InputError, match="the target has 1 row; adapting"):
        partial(x, [0, 1, 1, 0, -1]).sides()


def test_the_signature_says_that_the_usual_marks_are_the_default():
    assert "unlabeled: 'Any' = <the usual marks>" in str(inspect.signature(partial))


@pytest.mark.parametrize("y", [[0.5, nan, -1, 7], pl.Series([0.5, None, -1, 7]), [0.5, None, -1, 7]])
def test_numbers_know_only_missing_values_as_marks(y):
    part = partial(np.eye(4), y, task="numbers")
    assert part.labeled.tolist() == [0, 2, 3]
    assert part.y.tolist() == [0.5, -1, 7]
    assert part.y.dtype == np.float64
    assert part.classes is None
    assert part.n_classes == 0


def test_numbers_may_have_a_named_mark():
    assert partial(np.eye(3), [1, -999, 2], task="numbers", unlabeled=-999).labeled.tolist() == [0, 2]


def test_fully_labeled_data_pass_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(partial(np.eye(3), ["a", "b", "a"]).unlabeled) == 0


def test_a_column_is_ravelled_with_scikit_learns_warning():
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        part = partial(np.eye(3), np.array([[0], [1], [-1]]))
    assert part.y.tolist() == [0, 1]


def test_sparse_rows_stay_sparse_where_they_are_taken():
    part = partial(csr_array(np.eye(3)), [0, 1, -1], sparse=True)
    assert (part.x != csr_array(np.eye(3))).nnz == 0
    with pytest.raises(TypeError, match="X is sparse"):
        partial(csr_array(np.eye(3)), [0, 1, -1])


def test_images_and_frames_say_so():
    assert partial(np.zeros((3, 4, 5)), [0, 1, -1]).kind == "image"
    for y, task in (([0, 1, -1], "classes"), ([0.5, 1, nan], "numbers")):
        part = partial(pd.DataFrame(np.eye(3), columns=["a", "b", "c"]), y, task=task)
        assert (part.kind, part.feature_names) == ("table", ("a", "b", "c"))


@pytest.mark.parametrize(("X", "rest"), [(np.zeros((3, 2, 4)), (1,)), (np.zeros((3, 2, 4, 3), np.uint8), (3,))])
def test_masks_are_kept_as_codes_of_the_labeled_images(X, rest):
    first, last = [[7, 7, -1, 9], [7, 9, 9, 9]], [[9] * 4, [7] * 4]
    part = partial(X, [np.array(first), None, np.array(last)], task="masks")
    assert part.x.shape == (3, 2, 4, *rest)
    assert part.labeled.tolist() == [0, 2]
    assert part.classes.tolist() == [7, 9]
    assert part.y.tolist() == [[[0, 0, -1, 1], [0, 1, 1, 1]], [[1] * 4, [0] * 4]]
    assert (part.y.dtype, part.kind, part.has_masks) == (np.int16, "image", True)
    assert not partial(X, [0, 1, -1]).has_masks
    with pytest.raises(InputError, match=r"X is a table \(3, 2\); masks need images"):
        partial(np.zeros((3, 2)), [np.array(first), None, np.array(last)], task="masks")


def test_the_largest_number_of_single_precision_is_a_target_and_the_next_is_not():
    largest = float(np.finfo(np.float32).max)
    assert partial(np.eye(3), [largest, 1.0, -largest], task="numbers").y.tolist() == [largest, 1.0, -largest]
    with pytest.raises(InputError, match=r"y\[2\] = -3\.40282e\+38 is too large for float32"):
        partial(np.eye(3), [largest, 1.0, np.nextafter(-largest, -np.inf)], task="numbers")


def test_lists_of_one_type_become_arrays_of_it():
    assert [as_vector(y).dtype.kind for y in ([1, 2], ["a", "b"], [True, False], [1.0, nan])] == ["i", "U", "b", "f"]
    assert [len(read_labels([], unlabeled=mark).rows) for mark in (None, nan)] == [0, 0]


def test_series_without_gaps_keep_their_type():
    for series, kind in (
        (pl.Series([1, 2, 3]), "i"),
        (pl.Series([True, False]), "b"),
        (pd.Series([True, False], dtype="boolean"), "b"),
        (pl.Series([1.0, None], dtype=pl.Float32), "f"),
    ):
        assert as_vector(series).dtype.kind == kind
    assert as_vector(pl.Series([1.0, None], dtype=pl.Float32)).dtype == np.float64


MASK = np.zeros((2, 2))
TASKS = [
    ([None, MASK], "masks"),
    ((MASK, None), "masks"),
    (np.zeros((3, 2, 2), int), "masks"),
    (np.zeros((3, 2), int), "classes"),
    (np.full((3, 2), 0.5), "classes"),
    ([[0], [0, 1]], "classes"),
    ([0, 1, 1], "classes"),
    (["a", None], "classes"),
    (np.array([0, 1, -1]), "classes"),
    ([0.0, nan, 1, np.inf], "classes"),
    ([0.0, nan, 0.5], "numbers"),
    (np.arange(20.0), "classes"),
    (np.arange(21.0), "numbers"),
    (np.arange(50.0) // 2, "classes"),  # 25 values among 50 rows
    (np.arange(51.0) // 2, "numbers"),  # 26 among 51
]


@pytest.mark.parametrize(("y", "task"), TASKS)
def test_the_task_that_labels_fit(y, task):
    assert guess_task(y) == task


ALPHABET = st.characters(exclude_characters="\0", exclude_categories=["Cs"])  # NumPy cuts strings at NUL
LABELS = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.text(ALPHABET, min_size=1, max_size=3)), min_size=1, max_size=30),
)


@settings(max_examples=100, deadline=None)
@given(LABELS, st.randoms())
def test_labels_come_back_as_given_in_any_order_of_rows(y, random):
    known = [v for v in y if v is not None]
    assume(len(set(known)) > 1 and not {"-1", "-1.0", "nan", "None", "<NA>", "NaT"} & set(known))  # marks as text
    part = partial(table(y), y)
    assert part.classes[part.y].tolist() == known
    assert part.classes.tolist() == sorted(set(known))
    order = list(range(len(y)))
    random.shuffle(order)
    moved = partial(table(y)[order], [y[i] for i in order])
    assert moved.classes.tolist() == part.classes.tolist()
    there = dict(zip(np.array(order)[moved.labeled].tolist(), moved.y.tolist(), strict=True))
    assert there == dict(zip(part.labeled.tolist(), part.y.tolist(), strict=True))


def test_partial_is_the_public_name():
    assert fl.partial is partial


def test_the_door_does_not_import_torch():
    code = "import sys, fewlabels as fl; fl.partial([[0.], [1.]], [0, 1]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
