"""The report: self-contained, safe with hostile names, complete, and the same twice."""

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from fewlabels.comparison import Comparison
from fewlabels.data.images import ImageFiles
from fewlabels.errors import SaveError
from fewlabels.report import write
from fewlabels.report.blocks import Section, Text, clean, number
from fewlabels.report.images import LARGEST, data_uri, thumbnail, value_range
from fewlabels.verdict import Verdict, judge_classes, judge_numbers

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</svg><svg onload=alert(1)>",
    "$\\frac{1}{$",
    "{{ 7*7 }}{% raw %}",
    "a\x00b\x1b[31m\x7f",
    "\u202egnp.exe",
    "שלום عربى",
    "😀👩‍👩‍👧 \ud800",
    "n" * 10_000,
    "]]><!--",
    "#010203 url(#x)",
]


def model(*keys, steps=600, seed=0):
    """Stands in for a fitted estimator: the report reads `history_` and nothing else."""
    rng, history = np.random.default_rng(seed), []
    for step in range(10, steps + 1, 10):
        fall = 2.2 * np.exp(-step / 150) + 0.1
        values = {key: fall * rng.uniform(0.8, 1.2) for key in keys}
        if "mask_used" in keys:
            values["mask_used"] = 0.9 * (1 - np.exp(-step / 250))
        history.append({"step": step, **values})
    return SimpleNamespace(history_=history)


def comparison(task, X, y, one, other, classes=None, **changes):
    if task == "classes":
        truth = np.asarray(y)
        names = np.asarray(classes)
        right = [names[p.argmax(axis=1)] == truth for p in (one, other)]
        paired = judge_classes(*right)
    else:
        paired = judge_numbers(one - y, other - y)
    fields = {
        "task": task,
        "baseline": model("loss", "loss_x"),
        "candidate": model("loss", "loss_x", "loss_u", "mask_used", seed=1),
        "baseline_name": "supervised",
        "candidate_name": "fixmatch",
        "X_eval": X,
        "y_eval": np.asarray(y),
        "rows_eval": np.arange(len(y)),
        "baseline_output": one,
        "candidate_output": other,
        "classes": None if classes is None else np.asarray(classes),
        "held_out": False,
        "paired": paired,
        "data": {
            "kind": "image" if np.ndim(X) > 2 else "table",
            "n_rows": 1198,
            "n_labeled": 40,
            "n_unlabeled": 1158,
            "shape": np.shape(X)[1:],
            "labels_per_class": {} if classes is None else dict.fromkeys(map(str, classes), 4),
        },
        "settings": {"random_state": 0, "steps": 600, "method": {"name": "fixmatch", "weight": {"tau": 0.95}}},
        "environment": {"fewlabels": "0.1.0", "torch": "2.13.0", "device": "cpu", "precision": "float32", "threads": 2},
        "command": "fewlabels compare digits --method fixmatch --seed 0 --set steps=600",
        "seconds": {"baseline": 20.4, "candidate": 41.0},
    }
    return Comparison(**(fields | changes))


def guesses(y, k, accuracy, seed, agree=None, sure=0.9):
    """Probabilities (n, k) of a model that is right with this chance; wrong ones are a neighbouring class."""
    rng = np.random.default_rng(seed)
    right = rng.random(len(y)) < accuracy
    if agree is not None:
        right |= agree
    guess = np.where(right, y, (y + rng.integers(1, 3, len(y))) % k)
    top = rng.uniform(max(1 / k + 0.05, sure - 0.3), 0.999, len(y))
    p = np.tile(((1 - top) / (k - 1))[:, None], (1, k))
    p[np.arange(len(y)), guess] = top
    return p


def digits(n=599, baseline=0.82, candidate=0.6, names=None, **changes):
    bunch = load_digits()
    y = bunch.target[:n]
    one = guesses(y, 10, baseline, 1)
    other = guesses(y, 10, candidate, 2, agree=None if candidate < 0.6 else one.argmax(axis=1) == y)
    names = np.arange(10) if names is None else np.asarray(names, dtype=object)
    return comparison("classes", bunch.images[:n], names[y], one, other, names, **changes)


def table(**changes):
    bunch = load_breast_cancer(as_frame=True)
    y = bunch.target.to_numpy()
    names = np.array(["malignant", "benign"])
    one, other = guesses(y, 2, 0.9, 1), guesses(y, 2, 0.9, 2)
    return comparison("classes", bunch.data, names[y], one, other, names, **changes)


def numbers(gain=0.8, n=442, **changes):
    bunch = load_diabetes(as_frame=True)
    y, rng = bunch.target.to_numpy()[:n], np.random.default_rng(0)
    error = rng.normal(0, 55, len(y))
    return comparison("numbers", bunch.data[:n], y, y + error, y + gain * error + rng.normal(0, 8, len(y)), **changes)


def unsure(**changes):
    """Forty held-out rows and models of about the same accuracy."""
    return digits(n=40, baseline=0.6, candidate=0.59, **({"held_out": True} | changes))


CASES = {
    "helps": digits,
    "hurts": lambda: digits(candidate=0.5),
    "cannot tell": unsure,
    "table": table,
    "numbers": numbers,
    "few numbers": lambda: numbers(n=12, held_out=True),
    "hostile": lambda: hostile(),
}


def hostile():
    names = HOSTILE[:10]
    settings = {name: {name: name} for name in HOSTILE}
    return digits(
        names=names,
        baseline_name=HOSTILE[0],
        candidate_name=HOSTILE[1],
        command="\n".join(HOSTILE),
        settings=settings,
        environment=dict.fromkeys(HOSTILE, float("nan")),
        data={"kind": "image", "path": HOSTILE[1], "labels_per_class": dict.fromkeys(names, 4)},
    )


class Outline(HTMLParser):
    """What a browser would make of the page: its elements, attributes, visible text and headings."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self.headings, self.open = [], [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in self.VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Every case once: (comparison, HTML, outline, JSON)."""
    found = {}
    for name, make in CASES.items():
        it = make()
        path = it.report(tmp_path_factory.mktemp("report") / "a" / "report.html")
        html = path.read_text(encoding="utf-8")

        def refuse(constant):
            raise AssertionError(f"{constant} is not JSON")

        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"), parse_constant=refuse)
        found[name] = it, html, Outline(html), facts
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_page_loads_and_runs_nothing(written, case):
    _, html, outline, _ = written[case]
    assert len(html.encode()) < 2_000_000
    assert outline.open == []
    assert not {"script", "iframe", "object", "embed", "link", "base", "form", "foreignObject"} & set(outline.tags)
    for _, key, value in outline.attributes:
        assert not key.startswith("on")
        if key in ("src", "href", "xlink:href", "action", "srcset"):
            assert value.startswith(("#", "data:image/png;base64,"))
        assert not re.search(r"https?:|javascript:", value or "")
    assert not re.search(r"url\((?!#)|@import|https?://", html)
    assert "default-src 'none'" in html


@pytest.mark.parametrize("case", CASES)
def test_the_page_can_be_read_by_anybody(written, case):
    _, html, outline, _ = written[case]
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(outline.headings, outline.headings[1:], strict=False))
    ids = [value for _, key, value in outline.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    assert all(value[1:] in ids for _, key, value in outline.attributes if key == "href")
    assert outline.tags.count("th") == sum(key == "scope" for _, key, _ in outline.attributes)
    assert outline.tags.count("svg") == len(re.findall(r'role="img" aria-label="[^"]+\w', html))
    assert outline.tags.count("img") == sum(tag == "img" and key == "alt" for tag, key, _ in outline.attributes)
    assert 'lang="en"' in html
    assert "#0102" not in html.replace("#010203 url(#x)", "")  # every stand-in colour found its variable


@pytest.mark.parametrize("case", CASES)
def test_json_and_page_tell_the_same(written, case):
    it, _, outline, facts = written[case]
    text = "".join(outline.text)
    assert facts["verdict"] == it.verdict
    assert facts["verdict"] in text
    assert facts["deployed"] == ("candidate" if it.deployed is it.candidate else "baseline")
    for key in ("difference", "low", "high", "p_value", "baseline_score", "candidate_high", "wins", "n"):
        assert facts["paired"][key] == getattr(it.paired, key)
    value = f"{100 * it.paired.candidate_score:.1f} %" if it.task == "classes" else number(it.paired.candidate_score)
    assert value in text
    assert facts["seconds"] == it.seconds


def test_the_verdict_comes_first_in_words(written):
    words = {"helps": "helped", "hurts": "The unlabeled data hurt", "cannot tell": "cannot tell whether"}
    for case, expected in words.items():
        it, html, _, _ = written[case]
        assert it.verdict == case.upper()
        assert expected in html[html.index("<h1>") : html.index("</h1>")]
        assert html.index("<h1>") < html.index("<table")


def test_sections_of_each_kind(written):
    def sections(case):
        return [value for tag, key, value in written[case][2].attributes if tag == "section" and key == "id"]

    classes = ["scores", "curves", "confusion", "classes", "calibration", "gallery", "data", "settings"]
    assert sections("helps") == sections("table") == classes
    assert sections("cannot tell") == ["scores", "power", *classes[1:]]
    assert sections("numbers") == ["scores", "curves", "scatter", "errors", "gallery", "data", "settings"]
    assert "power" in sections("few numbers")
    assert "No row was broken." in written["helps"][1]
    assert "mask_used" in written["helps"][1]
    assert "mean radius" in written["table"][1]
    assert "s1" in "".join(written["numbers"][2].text)
    assert "fewlabels compare digits --method fixmatch --seed 0" in written["helps"][1]
    assert "method.weight.tau" in written["helps"][1]


def test_hostile_names_are_only_text(written):
    it, html, outline, facts = written["hostile"]
    text = "".join(outline.text)
    for name in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}{% raw %}", "$\\frac{1}{$"):
        assert name in text
    assert "\u202e" not in html
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", html)
    assert max(map(len, re.findall("n+", text.split("Command")[0]))) <= 40
    plain, same = written["helps"][2], [t for t in outline.tags if t in ("img", "svg", "section", "main")]
    assert same == [t for t in plain.tags if t in ("img", "svg", "section", "main")]
    assert facts["classes"][:2] == [str(c) for c in it.classes[:2]]
    assert facts["environment"][HOSTILE[0]] is None


def test_same_input_same_bytes(tmp_path):
    first = write(numbers(n=60, baseline=object()), tmp_path / "a.html")
    second = write(numbers(n=60, baseline=object()), tmp_path / "b.html")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".json").read_bytes() == second.with_suffix(".json").read_bytes()


def test_a_large_input_stays_small(tmp_path):
    rng, n, k = np.random.default_rng(0), 3000, 300
    y = rng.integers(0, k, n)
    images = rng.integers(0, 256, (n, 96, 96, 3), dtype=np.uint8)  # noise cannot be compressed
    names = np.asarray([f"class {i} " + "é<" * 500 for i in range(k)], dtype=object)
    long = model("loss", *(f"extra_{i}" for i in range(20)), steps=200_000)
    settings = {f"option {i}": "x" * 9000 for i in range(2000)}
    it = comparison(
        "classes", images, names[y], guesses(y, k, 0.6, 0), guesses(y, k, 0.7, 1), names,
        baseline=long, candidate=long, settings=settings, command="x " * 100_000,
    )  # fmt: skip
    html = write(it, tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(html.encode()) < 2_000_000
    assert "The pairs most often confused" in html
    assert html.count("<img") == 36


def test_twenty_classes_are_drawn_and_unseen_ones_counted(tmp_path):
    y = np.arange(600) % 20
    p = guesses(y, 20, 0.8, 0)
    labels = np.where(np.arange(600) < 3, "never trained", np.asarray([f"k{i}" for i in y]))
    names = np.asarray([f"k{i}" for i in range(20)])
    it = comparison("classes", np.zeros((600, 2)), labels, p, p, names)
    html = write(it, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "3 rows of a class that was not in training" in html
    assert it.verdict == Verdict.NO_PRACTICAL_DIFFERENCE
    assert html.count("<svg") == 10  # two of them the reliability of probabilities
    assert "No row was fixed." in html


@pytest.mark.parametrize(
    "X",
    [
        sparse.csr_matrix(np.eye(40, 9)),
        np.eye(40, 9),
        pd.DataFrame({"<b>": ["a"] * 40, "x": np.arange(40.0)}),
        [f"text {i} <i>" for i in range(40)],
        np.asarray([["a", None, 1.5]] * 40, dtype=object),
    ],
    ids=["sparse", "array", "frame", "texts", "objects"],
)
def test_rows_of_any_kind_of_table(tmp_path, X):
    y = np.arange(40) % 2
    it = comparison(
        "classes", X, y, guesses(y, 2, 0.6, 0), guesses(y, 2, 0.6, 1), [0, 1], data={"kind": "table"},
        baseline=object(), candidate=object(),
    )  # fmt: skip
    outline = Outline(write(it, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert not {"b"} & set(outline.tags)
    assert "Neither model kept a record of its training." in "".join(outline.text)


def test_findings_have_their_place(tmp_path):
    finding = Section("duplicates", "Duplicates", (Text("3 rows of the test set were trained on."),))
    path = write(unsure(), tmp_path / "r.html", findings=(finding,))
    html = path.read_text(encoding="utf-8")
    assert html.index('id="scores"') < html.index('id="duplicates"') < html.index('id="curves"')
    assert json.loads(path.with_suffix(".json").read_text())["findings"][0]["title"] == "Duplicates"


def test_a_report_that_cannot_be_written(tmp_path, monkeypatch):
    it = numbers(n=30, baseline=object(), candidate=object())  # no curves to draw
    good = write(it, tmp_path / "r.html").read_bytes()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "r.html", tmp_path / "r.json", tmp_path / ("n" * 300 + ".html")):
        with pytest.raises(SaveError, match=re.escape(path.name[:40])):
            write(it, path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SaveError, match="No space left"):
        write(it, tmp_path / "r.html")
    assert (tmp_path / "r.html").read_bytes() == good
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "r.html", "r.json"]


def test_thumbnails(tmp_path):
    assert thumbnail(np.ones((200, 100, 3)), 0, 1).shape == (LARGEST, LARGEST // 2, 3)
    assert thumbnail(np.zeros((8, 8, 1)), 0, 1).shape == (8, 8)
    assert thumbnail(np.zeros(8), 0, 1) is None
    assert thumbnail(tmp_path / "no.png", 0, 1) is None
    assert value_range(np.asarray([[-2.0, 3.0]])) == (-2.0, 3.0)
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert thumbnail(str(tmp_path / "bad.png"), 0, 1) is None
    assert data_uri(thumbnail(np.eye(4), 0, 1)).startswith("data:image/png;base64,iVBOR")


def test_text_is_made_safe_to_lay_out():
    assert clean("a\nb\x00c") == "a b�c"
    assert clean("") == clean(" ") == "(empty)"
    assert clean("x" * 99) == "x" * 39 + "…"
    assert [number(v) for v in (0, 2.0, 36.2712, -0.00123456, 1e12, 1e-9, 12345.6)] == [
        "0", "2", "36.27", "−0.001235", "1.000e+12", "1.000e−09", "12,346",
    ]  # fmt: skip


def test_images_left_on_disk(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(20)]
    for path in paths[1:]:
        Image.new("RGB", (300, 200), "teal").save(path)
    y = np.arange(20) % 2
    for X in (ImageFiles(tuple(map(str, paths)), (8, 8), 3), paths):
        it = comparison("classes", X, y, guesses(y, 2, 0.0, 0), guesses(y, 2, 0.0, 1), [0, 1], data={"kind": "image"})
        html = write(it, tmp_path / "r.html").read_text(encoding="utf-8")
        assert html.count("<img") == 18
        assert html.count("cannot be shown") == 1  # the first file is not there
