"""The verified file, and which checkpoints are kept, taken and refused."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import killing
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from fewlabels import __version__, container, identity, parts
from fewlabels.checkpoint import Checkpoints, gather, restore
from fewlabels.container import pack, read_container, write_container
from fewlabels.data.images import ImageFiles
from fewlabels.errors import DivergenceError, InputError, SaveError, UnsafeFileError
from fewlabels.files import read_json
from fewlabels.method import Net
from fewlabels.monitors.looks import Watched
from fewlabels.partial_labels import Partial
from fewlabels.partial_labels import partial as door
from fewlabels.saver import History, Saver
from fewlabels.tasks import Classes
from fewlabels.train import Step, sgd


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- the file -----------------------------------------------------------------------------------------------------

TENSORS = {
    "floats": torch.randn(3, 4),
    "half": torch.randn(5).bfloat16(),
    "double": torch.randn(2, dtype=torch.float64),
    "counts": torch.arange(7, dtype=torch.int16),
    "flags": torch.tensor([True, False]),
    "one number": torch.tensor(3),
    "nothing": torch.empty(0, 3),
    "not in order": torch.arange(6.0).view(2, 3).T,
    "not finite": torch.tensor([float("nan"), float("inf")]),
}


def test_what_is_written_is_read(tmp_path):
    about = {"text": "ä", "list": [1, 2.5, None, True], "number": np.int64(3), "share": np.float32(0.5)}
    write_container(tmp_path / "file", "model", about, TENSORS | {"twin": TENSORS["floats"]})
    found, tensors = read_container(tmp_path / "file", "model")
    assert found == {"text": "ä", "list": [1, 2.5, None, True], "number": 3, "share": 0.5}
    assert set(tensors) == {*TENSORS, "twin"}
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name].nan_to_num(7), tensor.nan_to_num(7))


def test_anybody_can_read_the_tensors_and_the_manifest(tmp_path):
    write_container(tmp_path / "file", "model", {"a": 1}, TENSORS)
    with safe_open(tmp_path / "file", "pt") as file:
        manifest = read_json(file.metadata()["manifest"])
        assert torch.equal(file.get_tensor("floats"), TENSORS["floats"])
    floats = TENSORS["floats"].numpy()
    hashed = hashlib.sha256(floats.tobytes()).hexdigest()
    assert manifest["members"]["floats"] == {"dtype": "float32", "shape": [3, 4], "sha256": hashed}
    assert manifest["members"]["half"]["dtype"] == "bfloat16"
    assert manifest["kind"] == "model"


def test_a_member_that_was_changed_or_is_of_another_type_is_named_with_the_file(tmp_path):
    path = tmp_path / "file"
    for other in (torch.ones(2), torch.zeros(2, dtype=torch.int32), torch.zeros(1, 2)):
        write_container(path, "model", {}, {"b": torch.zeros(2)})
        with safe_open(path, "pt") as file:
            about, metadata = file.get_tensor("about.json"), file.metadata()
        save_file({"b": other, "about.json": about}, path, metadata)
        with pytest.raises(UnsafeFileError, match=rf"^{path} is damaged: b is not what was written\."):
            read_container(path, "model")


def test_plain_values_have_a_largest_size_that_is_written_and_read(monkeypatch, tmp_path):
    size = len(json.dumps({"a": "xxx"}))
    monkeypatch.setattr(container, "_MOST_ABOUT", size)
    write_container(tmp_path / "file", "model", {"a": "xxx"}, {})
    assert read_container(tmp_path / "file", "model")[0] == {"a": "xxx"}
    with pytest.raises(SaveError, match=f"the model has {size + 1} bytes of names and settings; files hold {size}"):
        pack("model", {"a": "xxxx"}, {})
    monkeypatch.setattr(container, "_MOST_ABOUT", size - 1)
    words = rf"^{tmp_path}/file: about\.json has {size} bytes; files hold {size - 1}"
    with pytest.raises(UnsafeFileError, match=words):
        read_container(tmp_path / "file", "model")
    with pytest.raises(UnsafeFileError, match=r"about\.json has 3 bytes"):  # bytes are what it has to be
        container._about(torch.zeros(3), tmp_path)


def test_members_that_were_added_are_named(tmp_path):
    write_container(tmp_path / "file", "model", {}, {"a": torch.ones(2)})
    with safe_open(tmp_path / "file", "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    more = {f"x{i}": torch.ones(1) for i in (4, 2, 1, 3)}
    save_file(tensors | more, tmp_path / "file", metadata)
    with pytest.raises(UnsafeFileError, match=r"members are missing or were added: x1, x2, x3\."):
        read_container(tmp_path / "file", "model")


def test_values_that_files_cannot_hold_are_refused_when_written(tmp_path):
    with pytest.raises(SaveError, match="bytes of names and settings"):
        pack("model", {"a": "x" * 9_000_000}, {})
    for value in (float("nan"), object()):
        with pytest.raises((ValueError, TypeError)):
            pack("model", {"a": value}, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "-Infinity is not"),
        (b'{"a": 1, "a": 2}', "a key stands twice"),
        (b'[{"b": {"a": 1, "a": 2}}]', "a key stands twice"),
        (b"[" * 100_000, "too deeply"),
        (b"9" * 5000, "digits"),
        (b"\xff\xfe{\x00", "utf-8"),
        (b"", "Expecting value"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_strict_json(text, words):
    with pytest.raises(ValueError, match=words):
        read_json(text)


# --- which checkpoints are kept and taken -----------------------------------------------------------------------------


def test_the_last_two_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in (5, 10, 1000, 10**9):
        checkpoints.save(step, {"step": step}, {})
        assert Checkpoints(tmp_path).load()[0] == {"step": step}
    assert names(tmp_path) == ["step-000001000.safetensors", "step-1000000000.safetensors"]


def test_a_damaged_one_is_passed_over_with_a_warning_and_then_removed(tmp_path):
    first = Checkpoints(tmp_path)
    for step in (1, 2, 3):
        first.save(step, {"step": step}, {})
    (tmp_path / "step-000000003.safetensors").write_bytes(b"damaged")
    later = Checkpoints(tmp_path)
    with pytest.warns(UserWarning, match=r"step-000000003.* is damaged.*goes on from the older .*step-000000002"):
        assert later.load()[0] == {"step": 2}
    later.save(3, {"step": 3}, {})
    later.save(4, {"step": 4}, {})
    assert names(tmp_path) == ["step-000000003.safetensors", "step-000000004.safetensors"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Checkpoints(tmp_path).load()[0] == {"step": 4}


def test_the_whole_one_is_kept_while_a_damaged_one_has_the_higher_number(tmp_path):
    first = Checkpoints(tmp_path)
    for step in (10, 90):
        first.save(step, {"step": step}, {})
    (tmp_path / "step-000000090.safetensors").write_bytes(b"damaged")
    later = Checkpoints(tmp_path)
    with pytest.warns(UserWarning, match="goes on from the older"):
        later.load()
    later.save(20, {"step": 20}, {})
    assert names(tmp_path) == ["step-000000010.safetensors", "step-000000020.safetensors"]


def test_no_file_is_a_new_run_and_none_that_is_whole_is_an_error(tmp_path):
    assert Checkpoints(tmp_path / "not there").load() is None
    (tmp_path / "step-000000003.safetensors").write_bytes(b"damaged")
    with pytest.raises(UnsafeFileError, match=rf"no older whole one. Delete {tmp_path} to start anew"):
        Checkpoints(tmp_path).load()


def test_a_run_passes_over_a_damaged_checkpoint_and_ends_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)
    (x, y), model = killing.make("fixmatch", tmp_path)
    whole = model.fit(x, y)
    newest = sorted((tmp_path / "checkpoint").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="goes on from the older"):
        again = killing.make("fixmatch", tmp_path)[1].fit(x, y)
    assert again.history_ == whole.history_
    assert np.array_equal(again.predict_proba(x), whole.predict_proba(x))


def test_a_checkpoint_comes_after_thirty_seconds_and_at_the_end(tmp_path, monkeypatch):
    now, done = [0.0], []
    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter)
    monkeypatch.setattr("fewlabels.saver.time", clock)
    saver = Saver(tmp_path, {}, {}, None, None, None)
    assert saver.before == 0.0
    monkeypatch.setattr(saver, "_save", lambda step, history: done.append(step.number))
    for number, at in ((1, 30.0), (2, 30.5), (3, 60.5), (4, 60.75), (9, 61.0), (10, 61.25)):
        now[0] = at
        saver.save_if_due(Step(number, {}, {}), History(10, [], []))
    assert done == [2, 4, 10]


def test_the_third_save_in_a_row_that_fails_ends_a_training_but_not_one_that_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)

    def full(step, history):
        raise SaveError("no room.")

    def fails(step, words):
        with pytest.warns(UserWarning, match=words):
            saver.save_if_due(Step(step, {}, {}), history)

    saver, history = Saver(tmp_path, {}, {}, None, None, None), History(10, [], [])
    monkeypatch.setattr(saver, "_save", full)
    fails(1, r"no room\. Training goes on; the checkpoint is tried again\. There is no checkpoint yet\.")
    saver.saved_step = 7
    fails(2, r"The last checkpoint is of step 7\.")
    with pytest.raises(SaveError, match=r"no room\. That was failure 3 in a row\. The last checkpoint is of step 7\."):
        saver.save_if_due(Step(3, {}, {}), history)
    fails(10, "no room")


@pytest.mark.parametrize(
    ("steps", "at"),
    [(1, [1]), (3, [1, 2, 3]), (200, range(1, 201)), (201, [*range(2, 201, 2), 201]), (401, [*range(3, 400, 3), 401])],
)
def test_a_history_has_at_most_200_points_and_the_last_step(steps, at):
    history = History(steps, [], [])
    for number in range(1, steps + 1):
        history.add(Step(number, {"loss": float(number)}, {}))
    assert [entry["step"] for entry in history.entries] == list(at)
    before = [0, *at]
    means = [(before[i] + 1 + before[i + 1]) / 2 for i in range(len(before) - 1)]  # of every step in between
    assert [entry["loss"] for entry in history.entries] == means


def test_metrics_that_cannot_be_written_are_said_once(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    saver = Saver(tmp_path, {}, {}, None, None, None)
    with pytest.warns(UserWarning, match=rf"cannot write {tmp_path}/metrics\.jsonl: Is a directory\. Training goes on"):
        saver.write_metrics({"step": 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saver.write_metrics({"step": 2.0})


def test_the_last_save_of_an_interrupted_training_is_tried_three_times(tmp_path, monkeypatch):
    saver, tried = Saver(tmp_path, {}, {}, None, None, None), []
    step, history = Step(7, {}, {}), History(10, [], [])

    def save(step, history):
        tried.append(step.number)
        if len(tried) < works:
            raise SaveError("no room.")

    monkeypatch.setattr(saver, "_save", save)
    for works in (1, 3):
        tried.clear()
        saver.save_now(step, history)
        assert tried == [7] * works
    works = 9
    tried.clear()
    with pytest.raises(SaveError, match=r"no room\. Tried 3 times\. There is no checkpoint yet\."):
        saver.save_now(step, history)
    assert tried == [7] * 3
    nowhere = Saver(None, {}, {}, None, None, None)
    nowhere.save_now(step, history)
    nowhere.save_if_due(Step(10, {}, {}), history)


def small_saver(folder, here=None):
    net = Net(nn.Linear(1, 1), Classes(3))
    watched = Watched(np.arange(0), torch.empty(0), torch.empty(0), 3)
    return Saver(folder, {"settings": {}}, here or {"threads": "1"}, net, sgd(net.student, 0.1, 0.0), watched)


@pytest.mark.parametrize("precision", [None, "bfloat16"])
def test_what_a_checkpoint_says_beside_the_tensors(precision, tmp_path):
    saver = small_saver(tmp_path)
    saver.net.autocast = precision and torch.bfloat16
    saver.before, saver.failures = 100.0, 2
    state = {"a": torch.arange(2), "b": {"c": torch.ones(1)}}
    history = History(400, [{"step": 2.0, "loss": float("nan")}], [{"loss": 0.5}])
    saver._save(Step(3, {}, state), history)
    about, tensors = read_container(tmp_path / "checkpoint" / "step-000000003.safetensors", "checkpoint")
    assert about.pop("seconds") == pytest.approx(100, abs=10)
    assert about == {
        "identity": {"settings": {}},
        "environments": [{"threads": "1"}],
        "step": 3,
        "precision": precision,
        "state": {"a": "state.a", "b": {"c": "state.b.c"}},
        "history": [{"step": 2.0, "loss": "nan"}],
        "pending": [{"loss": 0.5}],
        "watched": saver.watched.plain(),
    }
    names = {"student.weight", "student.bias", "teacher.weight", "teacher.bias", "state.a", "state.b.c"}
    assert set(tensors) == names
    assert (saver.failures, saver.saved_step) == (0, 3)
    other = small_saver(tmp_path, {"threads": "2"})
    with pytest.warns(UserWarning, match=r"\(threads 1 then, 2 now\)"):
        back, step, entries = other.resume(state, 400, torch.device("cpu"))
    assert (step, other.net.autocast) == (3, precision and torch.bfloat16)
    assert other.before == pytest.approx(100, abs=10)
    assert other.environments == [{"threads": "1"}, {"threads": "2"}]
    assert str(entries.entries) == "[{'step': 2.0, 'loss': nan}]"
    assert entries.pending() == [{"loss": 0.5}]
    assert torch.equal(back["b"]["c"], state["b"]["c"])
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 2.0, "loss": NaN}\n'


def test_metrics_are_written_anew_with_a_checkpoint_after_they_could_not_be(tmp_path):
    saver, history = small_saver(tmp_path), History(9, [{"step": 1.0}, {"step": 2.0}], [])
    saver._save(Step(2, {}, {}), history)
    assert not (tmp_path / "metrics.jsonl").exists()  # nothing was amiss
    saver.metrics_whole = False
    saver.write_metrics({"step": 3.0})
    saver._save(Step(3, {}, {}), history)
    assert saver.metrics_whole
    saver.write_metrics({"step": 4.0})
    saver.write_metrics(None)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1.0}\n{"step": 2.0}\n{"step": 4.0}\n'


def test_an_old_checkpoint_that_cannot_be_removed_is_no_failure(tmp_path, monkeypatch):
    def keep(path):
        raise OSError("busy")

    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"step": 1}, {})
    checkpoints.save(2, {"step": 2}, {})
    monkeypatch.setattr(Path, "unlink", lambda path, **more: keep(path) if path.suffix == ".safetensors" else None)
    checkpoints.save(3, {"step": 3}, {})
    assert len(names(tmp_path)) == 3
    assert Checkpoints(tmp_path).load()[0] == {"step": 3}


# --- what a checkpoint belongs to -------------------------------------------------------------


def test_a_refusal_names_the_options_that_differ(tmp_path):
    (x, y), model = killing.make("fixmatch", tmp_path)
    model.fit(x, y)
    with pytest.raises(InputError, match=r"lr was 0\.3 and is 0\.2, steps was 6 and is 7\. Give the same"):
        model.set_params(lr=0.2, steps=7).fit(x, y)
    model.set_params(lr=0.3, steps=6)
    with pytest.raises(InputError, match="rows or labels differ"):
        model.fit(x + 1, y)
    with pytest.raises(InputError, match="rows or labels differ"):
        model.fit(x, np.where(np.arange(len(y)) == 0, 2, y))
    model.set_params(verbose=True).fit(x, y)


def test_a_refusal_shortens_long_options_and_says_what_is_new(tmp_path):
    saver = Saver(tmp_path, {"settings": {"a": "x" * 61, "b": "y" * 60, "c": "1", "d": "2"}}, {}, None, None, None)
    words = (
        rf"a was q and is {'x' * 57}\.\.\., b was {'z' * 57}\.\.\. and is {'y' * 60}, c was not there and is 1\. Give"
    )
    with pytest.raises(InputError, match=words):
        saver._check_identity({"identity": {"settings": {"a": "q", "b": "z" * 70, "d": "2"}}})


def test_a_report_of_a_divergence_that_cannot_be_written_hides_no_divergence(tmp_path, monkeypatch):
    saver, error = Saver(tmp_path, {}, {}, None, None, None), DivergenceError("", {"step": 3})
    saver.write_divergence(error)
    assert json.loads((tmp_path / "diverged-step-3.json").read_text()) == {"step": 3}

    def full(path, content):
        raise SaveError("no room")

    monkeypatch.setattr("fewlabels.saver.write_file", full)
    saver.write_divergence(error)
    Saver(None, {}, {}, None, None, None).write_divergence(error)
    saver.write_divergence(DivergenceError(""))


@pytest.mark.parametrize("what", ["torch", "numpy", "python", "fewlabels", "instruction set", "threads", "device"])
def test_another_environment_lowers_the_promise_and_refuses_nothing(what, tmp_path, monkeypatch):
    real, place = identity.environment, "fewlabels.run.environment"
    (x, y), model = killing.make("fixmatch", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(place, lambda device: real(device) | {what: "another"})
        model.fit(x, y)
    words = rf"goes on, but elsewhere .*\({what} another then, .* now\): .* up to rounding, no longer bit for bit"
    with pytest.warns(UserWarning, match=words):
        killing.make("fixmatch", tmp_path)[1].fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        killing.make("fixmatch", tmp_path / "new")[1].fit(x, y)
        killing.make("fixmatch", tmp_path / "new")[1].fit(x, y)


def test_a_run_that_came_back_remembers_where_it_was_in_between(tmp_path, monkeypatch):
    monkeypatch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)
    real, place = identity.environment, "fewlabels.run.environment"
    (x, y), model = killing.make("fixmatch", tmp_path)
    model.fit(x, y)
    last = sorted((tmp_path / "checkpoint").iterdir())[-1]
    last.unlink()  # one step is left to do
    with monkeypatch.context() as patch:
        patch.setattr(place, lambda device: real(device) | {"threads": "64"})
        with pytest.warns(UserWarning, match="elsewhere"):
            model.fit(x, y)
    about, _ = read_container(last, "checkpoint")
    assert [environment["threads"] for environment in about["environments"]] == ["1", "64"]
    saver = Saver(tmp_path, about["identity"], real(torch.device("cpu")), *[None] * 3)
    saver.watched, saver.net = (
        Watched(np.arange(0), torch.empty(0), torch.empty(0), 3),
        Net(nn.Linear(1, 1), Classes(3)),
    )
    with pytest.warns(UserWarning, match="threads 64 then, 1 now"):
        saver._take(about)
    assert saver.environments == about["environments"]


class Callable:
    """A function as users also write them."""

    def __call__(self, x):
        return x


def functions():
    return [
        *(lambda x: x + 1, lambda x: x - 1, lambda x: x + 2, lambda x: x.min(), lambda x: x.max()),
        *(lambda x: [2 * y for y in x], lambda x: [3 * y for y in x], lambda x: x in {"a", "b", "c"}),
        *(lambda x: x in {"a", "b", "d"}, np.min, np.max, nn.ReLU, nn.Tanh),
        *(torch.relu, torch.tanh, Callable()),
        *(partial(np.min, axis=0), partial(np.max, axis=0), partial(np.min, axis=1), partial(np.min, 0)),
    ]


def test_values_are_told_apart_by_what_they_are_and_not_by_where():
    tensor = torch.arange(2000, dtype=torch.bfloat16)
    other = tensor.clone()
    other[1000] = 7  # in the middle, which repr leaves out
    values = [*functions(), parts.Fixed(0.9), parts.Fixed(0.8), parts.PerClass(0.9), tensor, other, [tensor, other]]
    told = [identity.told_apart(value) for value in [*values, [other, tensor], 1, "1", None]]
    assert len(set(told)) == len(told)
    assert told[: len(functions())] == [identity.told_apart(value) for value in functions()]
    assert not any(" at 0x" in text for text in told)
    assert identity.told_apart(tensor) == identity.told_apart(tensor.clone().requires_grad_())
    assert identity.told_apart(parts.PerClass(0.9)) == "PerClass(tau=0.9,warmup=True)"
    assert identity.told_apart([1, 2]) == hashlib.sha256(b"12").hexdigest()
    assert identity.told_apart(nn.ReLU) == "torch.nn.modules.activation.ReLU"
    assert identity.told_apart(functions()[-4]) == f"partial({identity.told_apart(np.min)},(),{{'axis': 0}})"


def test_an_environment_is_versions_processor_device_and_threads():
    assert identity.environment(torch.device("cpu")) == {
        "fewlabels": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "instruction set": torch.backends.cpu.get_cpu_capability(),
        "device": "cpu",
        "threads": "1",
    }


def test_sets_in_code_are_the_same_in_another_process():
    code = "from fewlabels.identity import told_apart as t; print(t(lambda x: x in {'a', 'b', 'c', 'd', 'e'}))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    assert len(said) == 1


def test_options_that_change_no_result_are_left_out_and_weights_are_not():
    common = {"method": parts.Fixed(0.9), "verbose": True, "folder": Path("a"), "device": "cpu"}
    one = identity.settings(SimpleNamespace(network="mlp", lr=0.1, **common))
    assert one == {"lr": "0.1", "method": "Fixed(tau=0.9)", "network": "'mlp'"}
    network = nn.Linear(2, 2)
    before = identity.settings(SimpleNamespace(network=network, **common))
    assert set(before) == {"method", "network", "weights"}
    with torch.no_grad():
        network.weight[0, 0] += 1
    after = identity.settings(SimpleNamespace(network=network, **common))
    assert before["weights"] != after["weights"]
    assert before["network"] == after["network"]


def test_data_is_told_apart_by_rows_shape_labels_and_paths():
    x, y = np.arange(24.0).reshape(6, 4), [0, 1, -1, 0, -1, -1]
    files = [
        ImageFiles(paths, size, channels)
        for paths, size, channels in [
            (("a", "b"), (8, 8), 1),
            (("a", "c"), (8, 8), 1),
            (("a", "b"), (8, 9), 1),
            (("a", "b"), (8, 8), 3),
        ]
    ]
    labels = (np.array([0, 1]), np.arange(2), np.array([0, 1]), "image")
    given = [
        door(x, y), door(x, [0, 1, -1, 1, -1, -1]), door(x, [0, 1, 0, -1, -1, -1]), door(x[:, ::-1], y),
        door(x.reshape(6, 2, 2), y), door(x.reshape(6, 4, 1), y), door(x, y, domain=[1, 1, -1, -1, -1, 1]),
        door(x, y, domain=[1, 1, -1, -1, 1, -1]), *(Partial(each, *labels) for each in files),
    ]  # fmt: skip
    assert len({identity.data_hash(each) for each in given}) == len(given)
    assert identity.data_hash(given[0]) == identity.data_hash(door(np.asfortranarray(x), y))


# --- what is gathered comes back -------------------------------------------------------------


def test_state_of_any_form_comes_back_and_momentum_keeps_its_layout():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    network = network.to(memory_format=torch.channels_last)
    net = Net(network, Classes(2))
    optimizer = sgd(net.student, 0.1, 0.01)
    net(torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last))[0].sum().backward()
    optimizer.step()
    state = {"a": {"b.c": torch.arange(3), "empty": {}}, "grown": torch.ones(2, 2).double(), "nothing": {}}
    tensors, listed = gather(net, optimizer, state)
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}  # as files hold them
    other = Net(deepcopy(network), Classes(2))
    for parameter in other.student.parameters():
        parameter.data.zero_()
    fresh = sgd(other.student, 0.1, 0.01)
    back = restore(other, fresh, tensors, listed, torch.device("cpu"))
    assert back["a"]["empty"] == back["nothing"] == {}
    assert torch.equal(back["a"]["b.c"], state["a"]["b.c"])
    assert torch.equal(back["grown"], state["grown"])
    assert back["grown"].data_ptr() != tensors["state.grown"].data_ptr()
    elsewhere = restore(other, fresh, tensors, listed, torch.device("meta"))
    assert elsewhere["a"]["b.c"].is_meta
    assert elsewhere["grown"].is_meta
    for a, b in zip(net.student.parameters(), other.student.parameters(), strict=True):
        one, two = optimizer.state[a]["momentum_buffer"], fresh.state[b]["momentum_buffer"]
        assert torch.equal(one, two)
        assert two.stride() == b.stride() == one.stride()
