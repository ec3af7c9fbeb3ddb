"""Loaders to be fuzzed: good files to begin with, what reads them, and the errors that reading may end in.

Run with atheris, coverage-guided: `python tests/fuzzing.py csv -runs=100000` (any option of libFuzzer).
"""

import contextlib
import io
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Seconds of the processor that reading a few kilobytes may take
SLOWEST = 5.0


class Loader(NamedTuple):
    """Good files of one kind, the name they are read under, and what reads them."""

    seeds: list[bytes]
    name: str
    read: Callable[[Path], Any]


def loaders() -> dict[str, Loader]:
    import malformed_files as files
    import numpy as np

    def enter(path: Path) -> None:
        import fewlabels as fl
        from fewlabels.data import load
        from fewlabels.data.inputs import read_X

        data = load(path)
        if data.y is None:
            read_X(data.X, sparse=True)
        else:
            fl.partial(data.X, data.y, task=data.task)

    def in_folder(path: Path) -> None:
        enter(path.parent)

    def image(path: Path) -> None:
        from fewlabels.data.images import read_images

        read_images([path], size=8)

    def encoder(path: Path) -> None:
        from fewlabels.data.tables import TableEncoder
        from fewlabels.errors import InputError
        from fewlabels.files import read_json

        try:
            known = TableEncoder.from_dict(read_json(path.read_bytes()))
        except InputError:
            raise
        except ValueError as error:
            raise InputError(str(error)) from error  # as `fewlabels predict` says it
        known.transform({name: ["1"] for name in known.columns}, "here")

    def answers(path: Path) -> None:
        from fewlabels.rounds import read_answers

        read_answers(path)

    def verdict_round(path: Path) -> None:
        from fewlabels.rounds import ask_csv

        ask_csv(path.parent, 3)

    def made(make: Callable[[Any], Any]) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder) / "made")
            return next(Path(folder).iterdir()).read_bytes()

    def npz(**arrays: Any) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    table = files.csv(files.cells()[:30])
    lines = b'{"a": 1, "b": "x", "label": "u"}\n{"a": 2.5e1, "b": null, "label": "\\u00e9"}\n{"a": null, "b": "x"}\n'
    pixels = files.COLOR[:6, :5]
    pictures = [made(lambda p, k=k: files.save(p, pixels, format=k)) for k in ("PNG", "JPEG", "WEBP", "BMP")]
    medians = {"medians": {"a": 1.5}, "categories": {"b": ["x", "y"]}, "dropped": {"c": "it is empty"}}
    asked = {"rows": [3, 1], "baseline": ["u", "v"], "candidate": ["v", "u"], "pool": 5, "labels": ["u"]}
    return {
        "csv": Loader([table, b"a;b;label\n1;x;u\n2;x;v\n;y;\n", b'a,label\n"1",0.5\n"2",1e-5\n'], "t.csv", enter),
        "tsv": Loader([table.replace(b",", b"\t")], "t.tsv", enter),
        "jsonl": Loader([lines], "t.jsonl", enter),
        "parquet": Loader([made(files.parquet()), made(files.parquet(n=[1, 2, None, 3]))], "t.parquet", enter),
        "npz": Loader([npz(X=np.eye(4), y=[0, 1, -1, -1]), npz(X=np.eye(2), y=["a", "b"], Z=[1])], "d.npz", enter),
        "image": Loader(pictures, "i.png", image),
        "labels": Loader([b"file,label\n0.png,a\n1.png,b\n2.png,\n"], "labels.csv", in_folder),
        "encoder": Loader([json.dumps(medians).encode()], "encoder.json", encoder),
        "answers": Loader([b'row,label\n3,u\n"1",?\n'], "answers.csv", answers),
        "round": Loader([json.dumps({"ids": [3, 1], "round": asked}).encode()], "round.json", verdict_round),
    }


@contextlib.contextmanager
def place(loader: Loader) -> Iterator[Path]:
    """A folder in memory, where to overwrite a file takes no disk, with what a loader needs besides the file."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if Path(memory).is_dir() else None) as folder:
        if loader.name == "labels.csv":
            import malformed_files as files

            files.flat(None)(Path(folder))
        yield Path(folder)


def feed(loader: Loader, content: bytes, folder: Path) -> None:
    """Let a loader read some bytes.

    Raises
    ------
    AssertionError, or anything undocumented : a defect
    """
    from fewlabels.errors import InputError, OptionError, ResourceError

    path = folder / loader.name
    path.write_bytes(content)
    began = time.process_time()  # how long it takes on the wall depends on what else runs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        with contextlib.suppress(InputError, OptionError, ResourceError):
            loader.read(path)
    assert time.process_time() - began < SLOWEST, "that took too long"


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["fewlabels"]):
        import fewlabels.data.arrays
        import fewlabels.data.folder
        import fewlabels.data.images
        import fewlabels.data.tables
        import fewlabels.partial_labels
        import fewlabels.rounds  # noqa: F401
    name, *options = sys.argv[1:]
    loader = loaders()[name]
    with tempfile.TemporaryDirectory() as corpus, place(loader) as folder:
        for i, seed in enumerate(loader.seeds):
            (Path(corpus) / f"{i}").write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, corpus], lambda content: feed(loader, content, folder))
        atheris.Fuzz()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
