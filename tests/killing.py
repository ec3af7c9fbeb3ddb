"""Trainings that are killed: SIGKILL at a chosen event of a forked child, and what is left compared bit for bit."""

import functools
import hashlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import numpy as np
import torch

import fewlabels as fl
import fewlabels.run as run_module
from fewlabels import files, methods, noisy_student
from fewlabels.container import read_container
from fewlabels.method import Net
from fewlabels.monitors.looks import Watched
from fewlabels.run import Run
from fewlabels.saver import Saver

STEPS, SAVE_EVERY = 6, 2


@functools.cache
def warm_up():
    """Import here what a training imports when first needed, or every child would: that is most of its time."""
    fl.DeepClassifier(steps=1, verbose=False).fit(*table())


def in_child(f):
    """The exit status of a forked child that runs `f`; negative if a signal ended it."""
    warm_up()
    sys.stdout.flush(), sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        signal.alarm(120)  # a child that hangs must not hang the tests
        try:
            f()
            code = 0
        except SystemExit as end:
            code = end.code
        except KeyboardInterrupt:
            code = 130
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Opened:
    """An open file, for doubles that write in their own way."""

    def __init__(self, *args, **kwargs):
        self.file = open(*args, **kwargs)  # noqa: SIM115

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


class Events:
    """Counts what happens in this process; at event number `last` it is killed."""

    def __init__(self, last=None, number=signal.SIGKILL):
        self.names, self.last, self.number = [], last, number

    def tick(self, name):
        self.names.append(name)
        if len(self.names) == self.last:
            os.kill(os.getpid(), self.number)

    def around(self, owner, name, called):
        real = getattr(owner, name)

        def wrapped(*args, **kwargs):
            self.tick(f"before {called}")
            result = real(*args, **kwargs)
            self.tick(f"after {called}")
            return result

        setattr(owner, name, wrapped)

    def watch(self):
        """Patch this process. For children only: nothing is undone."""
        self.around(Net, "__call__", "forward")
        self.around(torch.Tensor, "backward", "backward")
        self.around(torch.optim.SGD, "step", "optimizer step")
        self.around(Net, "follow", "average")
        self.around(Watched, "look", "evaluation")
        self.around(Run, "outputs", "prediction")
        self.around(noisy_student, "chosen", "pseudo-label refresh")
        self.around(os, "replace", "replace")
        self.around(os, "fsync", "fsync")
        self.around(Path, "unlink", "removal")
        events = self

        class Half(Opened):
            """A file that is written in two halves, with an event between."""

            def write(self, content):
                half = len(content) // 2
                self.file.write(content[:half])
                self.file.flush()
                events.tick("amid write")
                self.file.write(content[half:])

        files.open = Half


def save_often():
    """A checkpoint after every second step, so that a killed run has steps to repeat. For children only."""
    run_module.EVERY = 1  # an evaluation after every step
    real = Saver.save_if_due

    def due(self, step, history):
        self.saved = -1e9 if step.number % SAVE_EVERY == 0 else 1e18
        real(self, step, history)

    Saver.save_if_due = due


# --- cases ----------------------------------------------------------------------------------------------------


def table():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 40)
    return rng.normal(size=(40, 5)) + 2 * np.eye(5)[truth], np.where(np.arange(40) < 9, np.arange(40) % 3, -1)


def pictures():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (30, 8, 8), dtype=np.uint8), np.where(np.arange(30) < 8, np.arange(30) % 2, -1)


def masked():
    x, _ = pictures()
    y = (x > 127).astype(np.int16)
    y[5:] = -1
    return x, y


# precision: on a busy machine a timing may choose another one for the run that is never killed
_SMALL = {"steps": STEPS, "batch_size": 4, "unlabeled_ratio": 2, "random_state": 0, "verbose": False, "lr": 0.3}
_SMALL |= {"precision": "float32"}


def make(case, folder):
    """The data of a case and an estimator for it."""
    options = _SMALL | {"folder": folder}
    if case == "noisy_student":
        return table(), fl.NoisyStudent(rounds=2, network="mlp-8-1", tau=0.0, **options | {"steps": 3})
    if case == "ct_augment":
        return pictures(), fl.DeepClassifier(network="convnet-4", augment=fl.augment.CTAugment(), **options)
    if case == "images":
        options["precision"] = "bfloat16"
        return pictures(), fl.DeepClassifier("flexmatch", network="convnet-4", **options)
    if case == "flexmatch":  # with a threshold that rows pass in six steps
        recipe = fl.methods.FlexMatch(weight=fl.parts.PerClass(tau=0.4))
        return table(), fl.DeepClassifier(recipe, network="mlp-8-1", **options)
    if case == "adapted":
        return pictures(), fl.DeepClassifier("fixmatch", network="convnet-4", adapt="dann", **options)
    if case == "weighted":
        return table(), fl.DeepClassifier("mean_teacher", network="mlp-8-1", adapt="importance", **options)
    if case == "masks":
        return masked(), fl.DeepSegmenter("fixmatch", network="unet-4-1", **options)
    if case == "numbers":
        x, y = table()
        return (x, np.where(y < 0, np.nan, y)), fl.DeepRegressor(network="mlp-8-1", **options)
    return table(), fl.DeepClassifier(case, network="mlp-8-1", **options)


CASES = [*sorted(methods.NAMES), "noisy_student", "ct_augment", "images", "masks", "numbers", "adapted", "weighted"]


def fit(case, folder):
    """Train in `folder` and write all that must not depend on kills into `folder`/result.json."""
    (x, y), model = make(case, folder)
    model.fit(x, y)
    predict = getattr(model, "predict_proba", model.predict)
    result = {
        "network": {k: _hash(v.numpy()) for k, v in model.run_.network.state_dict().items()},
        "history": repr(model.history_),
        "findings": repr(model.findings_),
        "predictions": _hash(predict(x)),
        "transduction": _hash(model.transduction_),
        "rounds": repr(getattr(model, "rounds_", None)),
    }
    for path in sorted(folder.rglob("checkpoint")):
        result[str(path.relative_to(folder))] = last_checkpoint(path)
    for path in sorted(folder.rglob("metrics.jsonl")):
        result[str(path.relative_to(folder))] = path.read_text()
    (folder / "result.json").write_text(json.dumps(result))


def last_checkpoint(folder):
    """Student, teacher, momentum, state, history of the newest checkpoint; not the seconds it took."""
    newest = sorted(folder.glob("step-*"))[-1]
    about, tensors = read_container(newest, "checkpoint")
    del about["seconds"]
    return {"about": repr(about)} | {name: _hash(tensor.float().numpy()) for name, tensor in tensors.items()}


def _hash(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def run(case, folder, events=None):
    """One attempt, in a child; its exit status."""

    def child():
        torch.set_num_threads(1)
        save_often()
        if events is not None:
            events.watch()
        fit(case, folder)

    return in_child(child)


def whole(case, folder):
    """An uninterrupted run: its result, and the names of all that happened in it."""

    def child():
        torch.set_num_threads(1)
        save_often()
        events = Events()
        events.watch()
        fit(case, folder)
        (folder / "events.json").write_text(json.dumps(events.names))

    assert in_child(child) == 0
    return result(folder), json.loads((folder / "events.json").read_text())


def result(folder):
    return json.loads((folder / "result.json").read_text())
