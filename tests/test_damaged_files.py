"""Damaged checkpoints and models are refused, all of them; hostile ones too, and nothing runs (R4, R5, R6)."""

import contextlib
import io
import json
import os
import pickle
import resource
import socket
import struct
import sys
import tarfile
import time
import zipfile

import damaging
import killing
import numpy as np
import pytest
import torch
from damaging import edited, joined, parts, raw_about, sealed

import fewlabels as fl
from fewlabels.checkpoint import Checkpoints
from fewlabels.container import pack, read_container
from fewlabels.errors import UnsafeFileError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A checkpoint and the one before it, two models of different kinds."""
    folder = tmp_path_factory.mktemp("whole")
    for seed in (0, 1):
        options = {"network": "mlp-16-2", "batch_size": 4, "unlabeled_ratio": 2, "verbose": False}
        model = fl.DeepClassifier("flexmatch", steps=8, random_state=seed, folder=folder / f"run-{seed}", **options)
        model.fit(*killing.table()).save(folder / f"model-{seed}")
    fl.SelfTrainingClassifier().fit(*killing.table()).save(folder / "classical-0")
    fl.SelfTrainingClassifier(threshold=0.9).fit(*killing.table()).save(folder / "classical-1")
    checkpoints = [next((folder / f"run-{seed}" / "checkpoint").iterdir()).read_bytes() for seed in (0, 1)]
    models = [(folder / f"model-{seed}" / "model.safetensors").read_bytes() for seed in (0, 1)]
    classical = [(folder / f"classical-{seed}" / "model.safetensors").read_bytes() for seed in (0, 1)]
    return {"checkpoint": checkpoints, "deep model": models, "classical model": classical}


def damage(whole, what, kind, number):
    content, other = whole[what]
    seed = [number, list(damaging.KINDS).index(kind), list(whole).index(what)]
    damaged = damaging.KINDS[kind](content, np.random.default_rng(seed), other)
    assert damaged != content
    return damaged


def refused(read, path):
    """Whether reading ends in the one error it may end in, in time."""
    began = time.process_time()
    with pytest.raises(UnsafeFileError) as error:
        read(path)
    assert str(path) in str(error.value) or str(path.parent) in str(error.value)
    assert time.process_time() - began < 2
    return True


def try_all(whole, tmp_path, each):
    good = Checkpoints(tmp_path / "checkpoint")
    tried = 0
    for what in whole:
        for kind in damaging.KINDS:
            for number in range(each):
                content = damage(whole, what, kind, number)
                if what == "checkpoint":
                    good.folder.mkdir(exist_ok=True)
                    path = good.folder / "step-000000009.safetensors"
                    path.write_bytes(content)
                    refused(lambda path: read_container(path, "checkpoint"), path)
                    refused(lambda path: Checkpoints(path.parent).load(), path)
                    (good.folder / "step-000000008.safetensors").write_bytes(whole[what][0])
                    with pytest.warns(UserWarning, match="step-000000009.*goes on from the older .*step-000000008"):
                        about, _ = Checkpoints(good.folder).load()
                    assert about["step"] == 8
                    (good.folder / "step-000000008.safetensors").unlink()
                else:
                    path = tmp_path / "model.safetensors"
                    path.write_bytes(content)
                    refused(lambda path: fl.load(path.parent), path)
                tried += 1
    return tried


def test_not_one_of_the_damaged_files_is_taken(whole, tmp_path):
    """25 of each kind of damage, in checkpoints, deep and classical models."""
    assert try_all(whole, tmp_path, 25) == 975


@pytest.mark.slow
def test_not_one_of_thousands_of_damaged_files_is_taken(whole, tmp_path):
    assert try_all(whole, tmp_path, 80) == 3120


def test_every_single_bit_of_a_small_file_counts(tmp_path):
    content = pack("model", {"a": 1}, {"x": torch.arange(3.0)})
    path, taken = tmp_path / "file", []
    for place in range(len(content)):
        path.write_bytes(damaging.flip(content, place, place % 8))
        try:
            read_container(path, "model")
            taken.append(place)
        except UnsafeFileError:
            pass
    assert taken == []


def test_whole_files_are_taken(whole, tmp_path):
    """The control: what is not damaged is read."""
    for what, contents in whole.items():
        for content in contents:
            (tmp_path / "model.safetensors").write_bytes(content)
            about, tensors = read_container(tmp_path / "model.safetensors", what.rpartition(" ")[2])
            assert about
            assert tensors


def test_a_newer_format_is_refused_with_the_version_that_wrote_it(whole, tmp_path):
    header, data = parts(whole["deep model"][0])
    manifest = json.loads(header["__metadata__"]["manifest"])
    header["__metadata__"] = sealed(manifest | {"format": 2, "fewlabels": "7.1.0", "news": [1]})
    (tmp_path / "model.safetensors").write_bytes(joined(header, data))
    with pytest.raises(UnsafeFileError, match=r"has format 2, written by fewlabels 7.1.0; this .* reads format 1"):
        fl.load(tmp_path)


def test_a_checkpoint_is_no_model_and_a_model_no_checkpoint(whole, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(whole["checkpoint"][0])
    with pytest.raises(UnsafeFileError, match="is a 'checkpoint' file, and a model is expected"):
        fl.load(tmp_path)
    (tmp_path / "step-000000001.safetensors").write_bytes(whole["deep model"][0])
    with pytest.raises(UnsafeFileError, match="is a 'model' file, and a checkpoint is expected"):
        Checkpoints(tmp_path).load()


# --- hostile files ------------------------------------------------------------------------------------------------


class Evil:
    """What a pickle would do on being read."""

    def __reduce__(self):
        return os.system, ("touch canary",)


def zipped(**members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "/"), data)
    return content.getvalue()


def tarred(name, kind):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        file.addfile(member)
    return content.getvalue()


def objects():
    content = io.BytesIO()
    np.save(content, np.array([Evil()], dtype=object), allow_pickle=True)
    return content.getvalue()


def torch_file():
    content = io.BytesIO()
    torch.save({"model": Evil()}, content)
    return content.getvalue()


def header_of(**changes):
    """A header of one member, with changes, and 12 bytes of data."""
    member = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]} | changes
    return joined({"__metadata__": sealed({}), "x": member}, bytes(12))


def setting(path, value):
    def change(about, tensors):
        inner, *rest = path.split(".")
        target = about
        for name in rest:
            target, inner = target[inner], name
        target[inner] = value

    return change


def node(value):
    """The whole of a classical model is this."""
    return lambda about, tensors: about.update(model=value)


def inside(value):
    """A part of a classical model is this."""

    def change(about, tensors):
        (part,) = (pair for pair in about["model"]["fitted"]["dict"] if pair[0] == "estimator_")
        part[1] = value

    return change


def estimator(name, params=(), fitted=()):
    return {
        "estimator": name,
        "params": {"dict": [list(pair) for pair in params]},
        "fitted": {"dict": [list(pair) for pair in fitted]},
    }


def hostile(whole):
    """Name -> content of a model file."""
    deep, classical = whole["deep model"][0], whole["classical model"][0]
    (size,) = struct.unpack("<Q", deep[:8])
    nothing = b'{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    bad_header = {
        "a header of 2^63 bytes": struct.pack("<Q", 2**63) + deep[8:],
        "a header of 2^64 - 1 bytes": struct.pack("<Q", 2**64 - 1) + deep[8:],
        "a header of 100 MB": struct.pack("<Q", 100_000_000) + b"{" + b" " * 100_000_000,
        "a header longer than the file": struct.pack("<Q", len(deep)) + deep[8:],
        "a header that is not UTF-8": joined(b'{"\xff\xfe": 1}', b""),
        "a header nested 200,000 deep": joined(b"[" * 200_000, b""),
        "a million tensors": joined(b"{" + b",".join(b'"t%d":%b' % (i, nothing) for i in range(1_000_000)) + b"}", b""),
        "offsets beyond the file": header_of(data_offsets=[0, 2**40], shape=[2**38]),
        "offsets backward": header_of(data_offsets=[12, 0]),
        "a shape of 2^63": header_of(shape=[2**63]),
        "a shape whose product overflows": header_of(shape=[2**32, 2**32, 2**32]),
        "a negative shape": header_of(shape=[-3]),
        "strides": header_of(strides=[0]),
        "an unknown type": header_of(dtype="O"),
        "a type of four bits": header_of(dtype="F4", shape=[24]),
        "members that overlap": joined(
            {name: {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]} for name in "xy"}, bytes(12)
        ),
        "metadata that are no texts": joined({"__metadata__": {"manifest": {"format": 1}}}, b""),
    }
    other_formats = {
        "a pickle": pickle.dumps(Evil()),
        "a pickle behind a whole file": deep + pickle.dumps(Evil()),
        "a pickle in place of the data": deep[: 8 + size] + pickle.dumps(Evil()),
        "a file of torch.save": torch_file(),
        "a .npy of objects": objects(),
        "a zip with a pickle": zipped(data__pkl=pickle.dumps(Evil())),
        "a zip with ../ in a name": zipped(**{"..__..__canary": b"x"}),
        "a zip with an absolute name": zipped(__tmp__canary=b"x"),
        "a zip bomb": zipped(zeros=bytes(100_000_000)),
        "a tar with a link": tarred("model", tarfile.SYMTYPE),
    }
    manifest = json.loads(parts(deep)[0]["__metadata__"]["manifest"])
    data = parts(deep)
    manifests = {
        "a manifest that is a list": joined(data[0] | {"__metadata__": sealed([])}, data[1]),
        "a manifest with NaN": joined(data[0] | {"__metadata__": sealed('{"format": NaN}')}, data[1]),
        "a manifest nested 200,000 deep": joined(data[0] | {"__metadata__": sealed("[" * 200_000)}, data[1]),
        "a manifest with a key twice": joined(
            data[0] | {"__metadata__": sealed(json.dumps(manifest)[:-1] + ', "format": 1}')}, data[1]
        ),
        "member names with ../": joined(
            {"__metadata__": sealed(manifest), "../../canary": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}},
            b"",
        ),
    }
    values = {
        "plain values with Infinity": raw_about(deep, b'{"estimator": Infinity}'),
        "plain values nested 200,000 deep": raw_about(deep, b'{"a":' * 200_000),
        "plain values that are not UTF-8": raw_about(deep, "{}".encode("utf-16")),
        "plain values with a key twice": raw_about(deep, b'{"estimator": "DeepClassifier", "estimator": "x"}'),
        "a number of 5,000 digits": raw_about(deep, b'{"estimator": ' + b"9" * 5000 + b"}"),
        "a class of another module": edited(deep, setting("estimator", "os.system")),
        "a method of another module": edited(deep, setting("params.method", {"recipe": "subprocess.Popen"})),
        "an _instantiator": edited(deep, setting("params._instantiator", "builtins.exec")),
        "an augmentation __import__": edited(deep, setting("params.augment", {"recipe": "__import__"})),
        "a network of 10^12 weights": edited(deep, setting("params.network", "mlp-9999-9999")),
        "a network of 10^9 layers": edited(deep, setting("params.network", "mlp-1-1000000000")),
        "a network with 5,000 digits": edited(deep, setting("params.network", "mlp-" + "9" * 5000)),
        "classes of 2 GB each": edited(deep, setting("classes.dtype", "<U500000000")),
        "classes that are objects of a structure": edited(deep, setting("classes.dtype", "O,O")),
        "a row of 10^12 columns": edited(deep, setting("form.shape", [10**12])),
        "a device that is a path": edited(deep, setting("facts.device", "/etc/passwd")),
        "a classical class os.system": edited(classical, inside(estimator("os.system"))),
        "a classical class by path": edited(classical, inside(estimator("sklearn.svm.SVC"))),
        "a Pipeline with a cache of pickles": edited(
            classical, inside(estimator("Pipeline", [["steps", []], ["memory", "/tmp/evil"]]))
        ),
        "sparse rows that point outside": edited(classical, _wild_csr),
        "texts of 2 GB each": edited(
            classical, inside({"items": ["a"], "dtype": "<U500000000", "codes": {"array": "model.labeled_iter_"}})
        ),
        "an array that is not there": edited(classical, inside({"array": "../../etc/passwd"})),
        "a model that is a number": edited(classical, node(7)),
        "a model that is another one": edited(classical, node(estimator("GaussianNB"))),
    }  # fmt: skip
    return bad_header | other_formats | manifests | values


def _wild_csr(about, tensors):
    tensors |= {
        "d": torch.ones(1, dtype=torch.float64),
        "i": torch.tensor([10**9]),
        "p": torch.tensor([0, 1]),
        "s": torch.tensor([1, 2]),
    }
    inside({"csr": [{"array": name} for name in "dips"]})(about, tensors)


WATCHED = (
    "pickle.find_class", "exec", "compile", "subprocess.Popen", "os.system", "os.exec", "os.fork", "socket", "import",
    "ctypes.dlopen", "shutil", "os.remove", "os.rename", "os.mkdir", "os.symlink",
)  # fmt: skip


def audited(f):
    """Events of a forked child while it runs `f`: what code, processes, sockets and other files would show."""

    def child():
        seen = []

        def hook(event, args):
            writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
            if writes or any(event == name or event.startswith(f"{name}.") for name in WATCHED):
                seen.append((event, str(args)[:200]))

        sys.addaudithook(hook)
        f()
        found = list(seen)
        if found:
            sys.stderr.write(f"{found}\n")
            raise SystemExit(7)

    return killing.in_child(child)


def peak():
    """Bytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_the_audit_sees_what_it_is_for(tmp_path, monkeypatch):
    """The control: each of these would be noticed."""
    monkeypatch.chdir(tmp_path)
    for act in (
        lambda: pickle.loads(pickle.dumps(Evil())),
        lambda: exec("1"),
        lambda: open("canary", "w").close(),
        lambda: __import__("this_is_not_there"),
        lambda: socket.socket().close(),
    ):

        def tolerant(act=act):
            with contextlib.suppress(ImportError):
                act()

        assert audited(tolerant) == 7


def test_hostile_files_are_refused_and_nothing_runs(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = hostile(whole)
    assert len(files) >= 40
    for what in ("deep model", "classical model"):  # what loading imports when first needed
        (tmp_path / "model.safetensors").write_bytes(whole[what][0])
        fl.load(tmp_path)
    for name, content in files.items():
        (tmp_path / "model.safetensors").write_bytes(content)
        size = len(content)
        del content

        def load(name=name, size=size):
            before, began = peak(), time.process_time()
            try:
                model = fl.load(tmp_path)
            except UnsafeFileError:
                assert time.process_time() - began < 1, name
                assert peak() - before < 200 * 2**20, (name, peak() - before, size)
                return
            raise AssertionError(f"{name} was taken: {model}")

        assert audited(load) == 0, name
        (tmp_path / "step-000000001.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes())

        def resume(name=name):
            with pytest.raises(UnsafeFileError, match="no older whole one"):
                Checkpoints(tmp_path).load()

        assert audited(resume) == 0, name
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.safetensors", "step-000000001.safetensors"]


@pytest.mark.parametrize("what", ["deep model", "classical model"])
def test_loading_and_predicting_runs_nothing_else(what, whole, tmp_path):
    """R6: no pickle, no code, no process, no socket, no import, no file written."""
    (tmp_path / "model.safetensors").write_bytes(whole[what][0])
    x, _ = killing.table()
    fl.load(tmp_path).predict_proba(x)  # what is imported when first needed
    assert audited(lambda: fl.load(tmp_path).predict_proba(x)) == 0


def test_a_file_does_not_say_where_a_refit_would_write(whole, tmp_path):
    content = edited(whole["deep model"][0], setting("params.folder", "/tmp/elsewhere"))
    (tmp_path / "model.safetensors").write_bytes(content)
    assert fl.load(tmp_path).get_params()["folder"] is None


def test_link_or_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "model.safetensors").symlink_to("/etc/hostname")
    with pytest.raises(UnsafeFileError):
        fl.load(tmp_path)
    (tmp_path / "checkpoint" / "step-000000001.safetensors").mkdir(parents=True)
    with pytest.raises(UnsafeFileError, match="no older whole one"):
        Checkpoints(tmp_path / "checkpoint").load()
