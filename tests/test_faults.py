"""Disks that fail and signals in every phase: the last checkpoint stays whole, and what is said is true (R3, R9)."""

import errno
import importlib
import json
import os
import resource
import signal
import sys
import time
import warnings
from pathlib import Path

import killing
import numpy as np
import pytest

from fewlabels import files
from fewlabels.checkpoint import Checkpoints
from fewlabels.cli import main
from fewlabels.container import pack, read_container
from fewlabels.errors import SaveError
from fewlabels.files import write_file

# --- the k-th operation on files fails, for every k ---------------------------------------------------------------


class Disk:
    """Operation number `fails` on files raises, and so do all later ones if `stays`."""

    def __init__(self, patch, fails, stays=False, error=errno.ENOSPC):
        self.fails, self.stays, self.error, self.done = fails, stays, error, []
        disk = self

        class File(killing.Opened):
            def __init__(self, *args, **kwargs):
                disk.may("open")
                super().__init__(*args, **kwargs)

            def write(self, content):
                self.file.write(content[: len(content) // 2])  # a disk is full in the middle
                disk.may("write")
                self.file.write(content[len(content) // 2 :])

        patch.setattr(files, "open", File, raising=False)
        for name in ("fsync", "replace", "open"):
            real = getattr(os, name)
            patch.setattr(
                os, name, lambda *args, name=name, real=real, **more: (disk.may(name), real(*args, **more))[1]
            )

    def may(self, name):
        self.done.append(name)
        if len(self.done) == self.fails or (self.stays and len(self.done) > self.fails):
            raise OSError(self.error, os.strerror(self.error))


OPERATIONS = ["open", "write", "fsync", "replace", "open", "fsync"]  # the last two: the folder


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("k", range(1, len(OPERATIONS) + 1))
def test_a_file_is_the_old_one_or_the_new_one_whatever_fails(k, error, tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_file(path, b"old")
    with monkeypatch.context() as patch:
        Disk(patch, k, error=error)
        with pytest.raises(
            SaveError, match=rf"cannot write {path}: {os.strerror(error)}. 3 bytes are needed and [\d,]+"
        ):
            write_file(path, b"new")
    assert path.read_bytes() == (b"new" if k > 4 else b"old")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    with monkeypatch.context() as patch:
        disk = Disk(patch, 99)
        write_file(path, b"later")
        assert disk.done == OPERATIONS
    assert path.read_bytes() == b"later"


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("k", range(1, len(OPERATIONS) + 1))
def test_the_checkpoint_before_loads_whatever_fails(k, stays, tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    about = [{"n": n} for n in range(5)]
    checkpoints.save(1, about[1], {})
    checkpoints.save(2, about[2], {})
    with monkeypatch.context() as patch:
        Disk(patch, k, stays)
        with pytest.raises(SaveError):
            checkpoints.save(3, about[3], {})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert Checkpoints(tmp_path).load()[0] == about[3 if k > 4 else 2]
    checkpoints.save(4, about[4], {})
    assert Checkpoints(tmp_path).load()[0] == about[4]
    assert len(list(tmp_path.iterdir())) == 2


def test_the_folder_is_flushed_after_the_rename(tmp_path, monkeypatch):
    """Or a power cut could undo it."""
    seen, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append(os.readlink(f"/proc/self/fd/{fd}")) or real(fd))
    write_file(tmp_path / "a", b"x")
    assert len(seen) == 2
    assert seen[0].endswith(".fewlabels-tmp")
    assert seen[1] == str(tmp_path)


def test_a_temporary_file_that_cannot_be_removed_hides_no_error(tmp_path, monkeypatch):
    def busy(path, **more):
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(Path, "unlink", busy)
    write_file(tmp_path / "a", b"x")
    Disk(monkeypatch, 2)
    with pytest.raises(SaveError, match="No space left"):
        write_file(tmp_path / "a", b"new")
    files.remove_stale(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_file_system_that_does_not_flush_folders_is_put_up_with(tmp_path, monkeypatch):
    real = os.fsync

    def refuse(fd):
        if os.path.isdir(f"/proc/self/fd/{fd}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(fd)

    monkeypatch.setattr(os, "fsync", refuse)
    write_file(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_where_the_system_does_not_say_how_much_is_free(tmp_path, monkeypatch):
    assert files._free(tmp_path / "not" / "there") > 0

    def silent(folder):
        raise OSError(errno.ENOSYS, "not known")

    monkeypatch.setattr(files.shutil, "disk_usage", silent)
    files.check_space(tmp_path / "a", 10**30)
    Disk(monkeypatch, 1)
    with pytest.raises(SaveError, match="3 bytes are needed and an unknown number are free"):
        write_file(tmp_path / "a", b"new")


# --- disks as the system makes them -----------------------------------------------------------------------------------


def test_dev_full_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_file(path, b"old")
    monkeypatch.setattr(files, "_numbers", iter([7]))
    (tmp_path / f".{os.getpid()}-7.fewlabels-tmp").symlink_to("/dev/full")
    with pytest.raises(SaveError, match="No space left on device"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_pipe_or_a_device_is_written_into_and_stays_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    write_file(pipe, b"content")
    assert os.read(end, 100) == b"content"
    os.close(end)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
    with pytest.raises(SaveError, match=r"cannot write into /dev/full: No space left on device\."):
        write_file(Path("/dev/full"), b"x")


def test_a_limit_on_file_sizes_leaves_the_checkpoint_before(tmp_path):
    def child():
        checkpoints = Checkpoints(tmp_path)
        checkpoints.save(1, {"n": 1}, {})
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            checkpoints.save(2, {"n": 2, "much": "x" * 10_000}, {})
        except SaveError as error:
            assert "File too large" in str(error)  # noqa: PT017
            raise SystemExit(6) from error

    assert killing.in_child(child) == 6
    assert Checkpoints(tmp_path).load()[0] == {"n": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_without_the_right_to_write(tmp_path):
    (tmp_path / "closed").mkdir()
    write_file(tmp_path / "closed" / "file", b"old")

    def child():
        for folder in (tmp_path, *tmp_path.parents[:3]):
            folder.chmod(0o755)
        (tmp_path / "closed").chmod(0o555)
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            write_file(tmp_path / "closed" / "file", b"new")
        except SaveError as error:
            assert "Permission denied" in str(error)  # noqa: PT017
            raise SystemExit(6) from error

    assert killing.in_child(child) == 6
    assert (tmp_path / "closed" / "file").read_bytes() == b"old"


def test_targets_that_cannot_be_files(tmp_path):
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "folder", tmp_path / "file" / "below", tmp_path / ("n" * 256)):
        with pytest.raises(SaveError, match="cannot write"):
            write_file(path, b"new")
    for name, words in (("n" * 256, "its name is too long"), ("a\0b", "its name holds a zero byte")):
        with pytest.raises(SaveError, match=rf"^cannot write '.*': {words}\. Choose another one\.$"):
            write_file(tmp_path / name, b"new")
        files.remove_stale(tmp_path / name)  # nothing can be left there
    longest = tmp_path / ("n" * 255)
    write_file(longest, b"new")
    assert sorted(p.name[:6] for p in tmp_path.iterdir()) == ["file", "folder", "nnnnnn"]


def test_no_file_is_begun_for_which_there_is_no_room(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"n": 1}, {})
    size = len(pack("checkpoint", {"n": 2}, {}))
    for free, fits in ((int(2.2 * size), True), (int(2.2 * size) - 1, False)):
        monkeypatch.setattr(files, "_free", lambda _, free=free: free)
        if fits:
            checkpoints.save(2, {"n": 2}, {})
        else:
            with pytest.raises(
                SaveError, match=rf"step-000000003.*: {free + 1:,} bytes are needed and {free:,} are free"
            ):
                checkpoints.save(3, {"n": 3}, {})
    assert Checkpoints(tmp_path).load()[0] == {"n": 2}


# --- a training whose disk fails --------------------------------------------------------------------------------------


def count_operations(folder, monkeypatch):
    with monkeypatch.context() as patch:
        often(patch)
        disk = Disk(patch, 10**9)
        killing.make("fixmatch", folder)[1].fit(*killing.table())
    return len(disk.done)


def often(patch):
    patch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)


def test_a_training_outlives_one_failure_wherever_it_is_and_can_be_gone_on_with(tmp_path, monkeypatch):
    whole = killing.make("fixmatch", None)[1].fit(*killing.table())
    total = count_operations(tmp_path / "count", monkeypatch)
    assert total >= 6 * killing.STEPS
    for k in range(1, total + 1):
        folder = tmp_path / str(k)
        (x, y), model = killing.make("fixmatch", folder)
        with monkeypatch.context() as patch:
            often(patch)
            Disk(patch, k)
            if k <= 6:  # the first file of all: nothing was trained yet
                with pytest.raises(SaveError):
                    model.fit(x, y)
                continue
            with pytest.warns(UserWarning, match="No space left.*Training goes on"):
                model.fit(x, y)
        assert model.history_ == whole.history_
        assert np.array_equal(model.predict_proba(x), whole.predict_proba(x))
        assert not list(folder.rglob("*.fewlabels-tmp"))
        assert Checkpoints(folder / "checkpoint").load() is not None
        again = killing.make("fixmatch", folder)[1].fit(x, y)
        assert again.history_ == whole.history_
        assert np.array_equal(again.predict_proba(x), whole.predict_proba(x))
        assert len((folder / "metrics.jsonl").read_text().splitlines()) == killing.STEPS


def test_the_third_failure_in_a_row_ends_it_and_says_what_is_left(tmp_path, monkeypatch):
    (x, y), model = killing.make("fixmatch", tmp_path)
    often(monkeypatch)
    with monkeypatch.context() as patch:
        Disk(patch, 6 + 2 * 6 + 1, stays=True)  # after metrics.jsonl and two checkpoints
        with (
            pytest.warns(UserWarning, match="the checkpoint is tried again") as said,
            pytest.raises(SaveError, match=r"failure 3 in a row. .* is of step 2\."),
        ):
            model.fit(x, y)
    assert len(said) == 2
    again = killing.make("fixmatch", tmp_path)[1].fit(x, y)
    whole = killing.make("fixmatch", None)[1].fit(x, y)
    assert again.history_ == whole.history_


def test_metrics_that_cannot_be_written_are_written_later(tmp_path, monkeypatch):
    (x, y), model = killing.make("fixmatch", tmp_path)
    often(monkeypatch)
    from fewlabels.saver import Saver

    real, path = Saver.write_metrics, tmp_path / "metrics.jsonl"

    def full_once(self, entry):
        if entry["step"] == 2:
            path.rename(tmp_path / "aside")
            path.symlink_to("/dev/full")
            real(self, entry)
            path.unlink()
            (tmp_path / "aside").rename(path)
        else:
            real(self, entry)

    monkeypatch.setattr(Saver, "write_metrics", full_once)
    with pytest.warns(UserWarning, match="cannot write .*metrics.jsonl: No space left on device. Training goes on"):
        model.fit(x, y)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == list(range(1, killing.STEPS + 1))


def fail_at(steps, monkeypatch):
    """Saves of these steps fail."""
    real = Checkpoints.save

    def save(self, step, about, tensors):
        if step in steps:
            raise SaveError("cannot write")
        real(self, step, about, tensors)

    often(monkeypatch)
    monkeypatch.setattr(Checkpoints, "save", save)


def test_failures_with_a_success_between_are_not_in_a_row(tmp_path, monkeypatch):
    (x, y), model = killing.make("fixmatch", tmp_path)
    fail_at((1, 2, 4, 5), monkeypatch)
    with pytest.warns(UserWarning, match="tried again") as said:
        model.fit(x, y)
    assert len(said) == 4


def test_a_finished_training_is_not_lost_because_its_last_checkpoint_is(tmp_path, monkeypatch):
    (x, y), model = killing.make("fixmatch", tmp_path)
    fail_at((4, 5, 6), monkeypatch)
    with pytest.warns(UserWarning, match="The last checkpoint is of step 3"):
        model.fit(x, y)
    assert model.predict(x).shape == y.shape


def test_the_command_line_says_cannot_save_with_code_6(tmp_path, monkeypatch, capsys):
    x, y = killing.table()
    np.savez(tmp_path / "data.npz", X=x, y=y)
    often(monkeypatch)
    Disk(monkeypatch, 6 + 6 + 6 + 1, stays=True)  # config.toml, metrics.jsonl, one checkpoint
    with pytest.raises(SystemExit) as stopped, pytest.warns(UserWarning, match="tried again"):
        main(["fit", str(tmp_path / "data.npz"), "--out", str(tmp_path / "run"), "--set", "steps=9", "--quiet"])
    assert stopped.value.code == 6
    err = capsys.readouterr().err
    assert "bytes are needed" in err
    assert "The last checkpoint is of step 1." in err
    assert "Traceback" not in err


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path):
    folder = tmp_path / "run"
    for number in range(1, 40):
        killing.run("pi_model", folder, killing.Events(number))
    left = list(folder.rglob("*.fewlabels-tmp"))
    (folder / "checkpoint").mkdir(exist_ok=True)
    for place in (folder, folder / "checkpoint"):
        (place / ".1-0.fewlabels-tmp").write_bytes(b"half")
        (place / "mine.tmp").write_bytes(b"not ours")
    assert killing.run("pi_model", folder) == 0
    assert not list(folder.rglob("*.fewlabels-tmp")), left
    assert len(list(folder.rglob("mine.tmp"))) == 2
    model = killing.make("pi_model", None)[1].fit(*killing.table())
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / ".1-0.fewlabels-tmp").write_bytes(b"half")
    model.save(tmp_path / "model")
    assert [p.name for p in (tmp_path / "model").iterdir()] == ["model.safetensors"]


def test_a_killed_worker_is_one_sentence_and_the_run_goes_on(tmp_path, monkeypatch):
    from PIL import Image

    from fewlabels import batches
    from fewlabels.data.images import ImageFiles
    from fewlabels.errors import ResourceError

    x, y = killing.pictures()
    paths = [tmp_path / f"{i:02}.png" for i in range(len(x))]
    for path, image in zip(paths, x, strict=True):
        Image.fromarray(image).save(path)

    def make(folder):
        return killing.make("images", folder)[1].set_params(network="convnet-2")

    # decoded batch by batch: images in memory need no worker
    files_on_disk = ImageFiles(tuple(map(str, paths)), (8, 8), 1)
    often(monkeypatch)
    real, parent, mark = batches._Files.__getitem__, os.getpid(), tmp_path / "killed"

    def fatal(self, row):
        if os.getpid() != parent and (tmp_path / "run" / "checkpoint").exists() and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, row)

    monkeypatch.setattr(batches._Files, "__getitem__", fatal)
    monkeypatch.setattr(killing, "_SMALL", killing._SMALL | {"steps": 60})
    whole = make(None).fit(files_on_disk, y)
    with pytest.raises(ResourceError, match="decodes images was killed"):
        make(tmp_path / "run").fit(files_on_disk, y)
    assert mark.exists()
    assert make(tmp_path / "run").fit(files_on_disk, y).history_ == whole.history_


# --- signals in every phase -------------------------------------------------------------------------------------------

TRAINING = [
    "before forward", "after backward", "after optimizer step", "before evaluation", "amid write", "before fsync",
    "after replace",
]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("case", ["fixmatch", "temporal_ensembling", "noisy_student"])
def test_a_signal_in_any_phase_saves_and_the_run_goes_on_with_the_same_bits(case, number, tmp_path):
    expected, names = killing.whole(case, tmp_path / "whole")
    code = {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    for kind in TRAINING:
        at = [i for i, name in enumerate(names, 1) if name == kind]
        folder = tmp_path / kind.replace(" ", "-")
        events = killing.Events(at[len(at) // 2], number)

        def child(folder=folder, events=events):
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as the command line does
            killing.save_often()
            events.watch()
            killing.fit(case, folder)

        assert killing.in_child(child) == code, kind
        assert not list(folder.rglob("*.fewlabels-tmp"))
        steps = [int(path.stem.removeprefix("step-")) for path in folder.rglob("step-*")]
        assert steps, kind
        assert killing.run(case, folder) == 0
        assert killing.result(folder) == expected, kind


def test_the_step_of_the_signal_is_saved_not_an_earlier_one(tmp_path):
    """Saved within one step: none of the work is done again."""
    _, names = killing.whole("fixmatch", tmp_path / "whole")
    at = [i for i, name in enumerate(names, 1) if name == "before forward"]

    def child():
        killing.save_often()
        killing.Events(at[2], signal.SIGINT).watch()
        killing.fit("fixmatch", tmp_path / "run")

    assert killing.in_child(child) == 130
    assert max(path.stem for path in (tmp_path / "run" / "checkpoint").iterdir()) == "step-000000003"


def test_a_signal_during_the_last_checkpoint_is_not_lost(tmp_path, monkeypatch):
    (x, y), model = killing.make("fixmatch", tmp_path)
    real = Checkpoints.save

    def save(self, step, about, tensors):
        os.kill(os.getpid(), signal.SIGINT)
        real(self, step, about, tensors)

    monkeypatch.setattr(Checkpoints, "save", save)
    with pytest.raises(KeyboardInterrupt, match="stopped at step 6 of 6; saved in"):
        model.fit(x, y)


def test_an_interrupt_on_a_full_disk_says_that_nothing_was_saved(tmp_path, monkeypatch):
    from fewlabels.method import Net

    (x, y), model = killing.make("fixmatch", tmp_path)
    real = Net.follow

    def follow(self, step):
        real(self, step)
        if step == 3:
            Disk(monkeypatch, 1, stays=True)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Net, "follow", follow)
    with pytest.raises(SaveError, match="Tried 3 times. There is no checkpoint yet"):
        model.fit(x, y)


def test_a_second_signal_acts_at_once(tmp_path):
    """The first one in a step that takes a minute, the second half a second later."""
    (x, y), model = killing.make("fixmatch", tmp_path)
    from fewlabels.method import Net

    def child():
        def slow(self, step):
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            signal.raise_signal(signal.SIGTERM)
            began = time.monotonic()
            while time.monotonic() - began < 60:
                time.sleep(0.01)

        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
        Net.follow = slow
        model.fit(x, y)

    began = time.monotonic()
    assert killing.in_child(child) == -signal.SIGTERM
    assert time.monotonic() - began < 5  # the machine may be busy; nothing near a minute


# Phases of a command outside the training, each with a function that is called in it.
PHASES = {
    "load": "fewlabels.data.load",
    "before the first step": "fewlabels.run.learn_scaling",
    "model": "fewlabels.model_files.write_container",
    "report": "fewlabels.report.write",
}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_outside_the_training_ends_a_command_cleanly(phase, number, code, tmp_path):
    x, y = killing.table()
    np.savez(tmp_path / "data.npz", X=x, y=y, X_test=x[:9], y_test=y[:9])
    words = ["compare", "data.npz", "--out", "run", "--set", "steps=3", "--set", "network=mlp-8-1", "--quiet"]
    module, _, name = PHASES[phase].rpartition(".")

    def command(interrupted):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in the background
        os.chdir(tmp_path)
        sys.stderr = open("err", "w", buffering=1)  # noqa: SIM115
        if interrupted:
            setattr(importlib.import_module(module), name, lambda *args, **more: os.kill(os.getpid(), number))
        main(words)

    assert killing.in_child(lambda: command(True)) == code
    assert (tmp_path / "err").read_text() == f"fewlabels: {'interrupted' if code == 130 else 'terminated'}\n"
    assert not (tmp_path / "run" / "done.json").exists()
    assert not list(tmp_path.rglob("*.fewlabels-tmp"))
    assert killing.in_child(lambda: command(False)) == 0
    assert (tmp_path / "run" / "done.json").exists()
    read_container(tmp_path / "run" / "model" / "model.safetensors", "model")
