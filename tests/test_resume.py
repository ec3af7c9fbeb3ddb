"""Killed anywhere, twice, a run ends with the same bits; and tests that this test can fail (R1, R2)."""

import json
import signal

import killing
import numpy as np
import pytest

from fewlabels.checkpoint import Checkpoints, gather
from fewlabels.classical import registry
from fewlabels.container import read_container, write_container
from fewlabels.errors import UnsafeFileError
from fewlabels.saver import Saver

KINDS = [
    "before forward", "after forward", "before backward", "after backward", "before optimizer step",
    "after optimizer step", "after average", "amid write", "before fsync", "before replace", "after replace",
    "after fsync", "before removal", "after removal", "before evaluation", "after evaluation", "before prediction",
    "after prediction", "before pseudo-label refresh", "after pseudo-label refresh",
]  # fmt: skip


def kill_twice(case, tmp_path, trials, seed):
    """Kill `trials` runs twice each, at events of all kinds in turn; returns how many kills there were."""
    expected, names = killing.whole(case, tmp_path / "whole")
    rng, kills = np.random.default_rng(seed), 0
    kinds = [kind for kind in KINDS if kind in names]
    for trial in range(trials):
        places = [i for i, name in enumerate(names, 1) if name == kinds[(seed + trial) % len(kinds)]]
        first = int(rng.choice(places))
        # late in a run only the events of going on are sure to come
        second = int(rng.integers(1, 30 if first < 0.6 * len(names) else 6))
        folder = tmp_path / f"killed-{trial}"
        for last in (first, second):
            status = killing.run(case, folder, killing.Events(last))
            assert status == -signal.SIGKILL, (case, trial, first, second, status)
            kills += 1
        assert killing.run(case, folder) == 0
        assert killing.result(folder) == expected, (case, trial, names[first - 1], second)
        assert not list(folder.rglob("*.fewlabels-tmp"))
    return kills


@pytest.mark.parametrize("case", killing.CASES)
def test_killed_twice_anywhere_a_run_ends_with_the_same_bits(case, tmp_path):
    assert kill_twice(case, tmp_path, 3, killing.CASES.index(case) * 3) == 6


@pytest.mark.slow
@pytest.mark.parametrize("case", killing.CASES)
def test_killed_twice_anywhere_a_run_ends_with_the_same_bits_many_times(case, tmp_path):
    assert kill_twice(case, tmp_path, 15, 1000 + killing.CASES.index(case) * 15) == 30


def test_the_comparison_sees_another_seed_and_another_step(tmp_path, monkeypatch):
    expected, _ = killing.whole("fixmatch", tmp_path / "whole")
    for change in ({"random_state": 1}, {"steps": killing.STEPS + 1}, {"lr": 0.29}):
        with monkeypatch.context() as patch:
            patch.setattr(killing, "_SMALL", killing._SMALL | change)
            folder = tmp_path / json.dumps(change)
            assert killing.run("fixmatch", folder) == 0
            found = killing.result(folder)
        assert found["network"] != expected["network"]
        assert found["predictions"] != expected["predictions"]


# --- every field of a checkpoint is needed ----------------------------------------------------------------------


def stop_after_half(case, folder):
    """A run that ends after its checkpoint of step 4."""

    def child():
        killing.save_often()
        real = Saver.save_if_due

        def stop(self, step, history):
            real(self, step, history)
            if step.number == 4:
                raise SystemExit(9)

        Saver.save_if_due = stop
        killing.fit(case, folder)

    assert killing.in_child(child) == 9


def go_on_without(case, folder, lost):
    """Go on with `lost(tensors, about, fresh)` applied to what was read; fresh is what the run began with."""

    def child():
        killing.save_often()
        load, resume = Checkpoints.load, Saver.resume

        def resume_and_note(self, state, steps, device):
            fresh = gather(self.net, self.optimizer, state)[0]
            fresh = {name: tensor.clone() for name, tensor in fresh.items()}

            def load_less(checkpoints):
                about, tensors = load(checkpoints)
                lost(tensors, about, fresh)
                return about, tensors

            Checkpoints.load = load_less
            return resume(self, state, steps, device)

        Saver.resume = resume_and_note
        killing.fit(case, folder)

    return killing.in_child(child)


def forget(prefix, part=""):
    def lost(tensors, about, fresh):
        names = [name for name in tensors if name.startswith(prefix) and part in name]
        assert names
        for name in names:
            tensors.pop(name)
            if name in fresh:
                tensors[name] = fresh[name]

    return lost


def reset(key, value):
    def lost(tensors, about, fresh):
        assert about[key] != value
        about[key] = value

    return lost


LOST = [
    ("images", "student weights", forget("student.", "weight")),
    ("images", "student buffers", forget("student.", "running")),
    ("images", "teacher weights", forget("teacher.", "weight")),
    ("images", "teacher buffers", forget("teacher.", "running")),
    ("images", "batches counted", forget("student.", "num_batches")),
    ("images", "momentum", forget("momentum.")),
    ("images", "step", reset("step", 3)),
    ("images", "history", reset("history", [])),
    ("images", "precision", reset("precision", None)),
    ("fixmatch", "looks", reset("watched", {"looks": [], "last": [], "told": []})),
    ("flexmatch", "state", forget("state.")),
    ("freematch", "state", forget("state.")),
    ("softmatch", "state", forget("state.")),
    ("remixmatch", "state", forget("state.")),
    ("temporal_ensembling", "answers", forget("state.z")),
    ("temporal_ensembling", "passes", forget("state.seen")),
    ("ct_augment", "bins", forget("state.augment")),
]  # fmt: skip


@pytest.mark.parametrize(("case", "what", "lost"), LOST, ids=[f"{case}-{what}" for case, what, _ in LOST])
def test_a_run_that_goes_on_without_one_field_ends_otherwise(case, what, lost, tmp_path):
    expected, _ = killing.whole(case, tmp_path / "whole")
    stop_after_half(case, tmp_path / "half")
    status = go_on_without(case, tmp_path / "half", lost)
    assert status == 0
    assert killing.result(tmp_path / "half") != expected


def test_nothing_forgotten_ends_the_same(tmp_path):
    """The control of the controls."""
    expected, _ = killing.whole("images", tmp_path / "whole")
    stop_after_half("images", tmp_path / "half")
    assert go_on_without("images", tmp_path / "half", lambda *_: None) == 0
    assert killing.result(tmp_path / "half") == expected


def test_a_file_that_lacks_a_field_is_refused(tmp_path):
    stop_after_half("flexmatch", tmp_path)
    newest = sorted((tmp_path / "checkpoint").iterdir())[-1]
    about, tensors = read_container(newest, "checkpoint")
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    (x, y), model = killing.make("flexmatch", tmp_path)
    fields = [{"about": name} for name in about] + [{"tensors": name} for name in tensors if "momentum" not in name]
    for field in fields:
        rest = {key: value for key, value in about.items() if key != field.get("about")}
        some = {key: value for key, value in tensors.items() if key != field.get("tensors")}
        write_container(newest, "checkpoint", rest, some)
        with pytest.raises(UnsafeFileError, match="lacks what a run needs|does not fit"):
            model.fit(x, y)


# --- classical estimators have no checkpoints: they take seconds, and begun anew they give the same bits ------------


@pytest.mark.parametrize("name", sorted(registry.NAMES))
def test_a_classical_estimator_killed_and_begun_anew_gives_the_same_bits(name, tmp_path):
    x, y = killing.table()
    make = registry.NAMES[name]

    def fit(place, fuse=None):
        def child():
            if fuse is not None:
                signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGKILL))
                signal.setitimer(signal.ITIMER_REAL, fuse)
            model = make()
            numbers = name == "label_propagation_regressor"
            small = {"random_state": 0, "steps": 20}
            model.set_params(**{key: value for key, value in small.items() if key in model.get_params()})
            model.fit(x, np.where(y < 0, np.nan, y) if numbers else y)
            model.save(place)

        return killing.in_child(child)

    assert fit(tmp_path / "a") == 0
    assert fit(tmp_path / "b", fuse=0.005) in (0, -signal.SIGKILL)
    assert fit(tmp_path / "b") == 0
    one, other = (read_container(tmp_path / place / "model.safetensors", "model") for place in "ab")
    for about, _ in (one, other):
        forget_seconds(about)
    assert one[0] == other[0]
    assert all(np.array_equal(one[1][key], other[1][key]) for key in one[1])


def forget_seconds(about):
    """The one fact that may differ."""
    for pair in about["model"]["fitted"]["dict"]:
        if pair[0] == "facts_":
            pair[1] = None
