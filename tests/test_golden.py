"""Model files of every release are read by every later one (R7). `golden/make.py` wrote them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import fewlabels as fl
from fewlabels.classical.registry import CLASSES, NAMES
from fewlabels.container import read_container

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path.parent for path in GOLDEN.glob("*/*/model.safetensors"))
sys.path.insert(0, str(GOLDEN))


@pytest.mark.parametrize("folder", FILES, ids=[str(folder.relative_to(GOLDEN)) for folder in FILES])
def test_an_old_model_predicts_as_it_did(folder):
    from make import outputs

    expected = load_file(folder / "expected.safetensors")
    model = fl.load(folder)
    np.testing.assert_allclose(outputs(model, expected["x"]), expected["outputs"], rtol=0, atol=1e-6)
    given = model.labels_ if isinstance(model, fl.DeepSVDD | fl.DeepSAD) else model.transduction_
    assert model.predict(expected["x"]).shape == given.shape


def test_this_release_has_a_file_of_every_estimator():
    here = [folder for folder in FILES if folder.parent.name == fl.__version__]
    kinds = {read_container(folder / "model.safetensors", "model")[0]["estimator"] for folder in here}
    # the one that is never saved alone is a part of others
    deep = {"DeepClassifier", "DeepRegressor", "DeepSegmenter", "DeepSVDD", "DeepSAD"}
    assert kinds == {*deep, *CLASSES} - {"StandardLogistic"}
    assert {*NAMES, "noisy_student"} <= {folder.name for folder in here}
