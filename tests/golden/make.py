"""Writes a model file of every estimator, and what it predicts, for tests/test_golden.py.

Run it once for each release, `python tests/golden/make.py`; what it wrote for earlier ones is never written again.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

import fewlabels as fl
from fewlabels.classical.registry import NAMES

HERE = Path(__file__).parent
_SMALL = {
    "steps": 3,
    "batch_size": 4,
    "unlabeled_ratio": 2,
    "random_state": 0,
    "verbose": False,
    "precision": "float32",
}


def table():
    rng = np.random.default_rng(0)
    truth = np.arange(30) % 3
    x = np.abs(rng.normal(size=(30, 4)) + 2 * np.eye(4)[truth])
    return np.round(x, 3), np.where(np.arange(30) < 12, truth, -1)


def images():
    x = np.random.default_rng(1).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    return x, np.where(np.arange(12) < 6, np.arange(12) % 2, -1)


def models():
    """Name -> a fitted estimator and rows to predict."""
    x, y = table()
    pixels, of_pixels = images()
    numbers, words = np.where(y < 0, np.nan, y / 2), np.array(["left", "right", "none", ""])[y]
    several = np.where((y < 0)[:, None], np.nan, np.stack([y > 0, y > 1, y < 2], 1))
    masks = np.where(np.arange(12)[:, None, None] < 6, pixels > 127, -1)

    def deep(kind=fl.DeepClassifier, method="fixmatch", network="mlp-8-1", **more):
        return kind(method, network=network, **_SMALL | more)

    yield "deep_classifier", deep().fit(x, words), x
    yield "deep_classifier_ints", deep(method=fl.methods.FlexMatch(lambda_u=2.0)).fit(x, y), x
    yield "deep_labels", deep().fit(x, several), x
    yield "deep_convnet", deep(network="convnet-2", augment=fl.augment.CTAugment()).fit(pixels, of_pixels), pixels
    yield "deep_regressor", deep(fl.DeepRegressor, "mean_teacher").fit(x, numbers), x
    yield "deep_segmenter", deep(fl.DeepSegmenter, "mean_teacher", "unet-2-1").fit(pixels, masks), pixels
    yield "noisy_student", fl.NoisyStudent(rounds=1, network="mlp-8-1", **_SMALL).fit(x, y), x
    yield "graph_classifier", fl.GraphClassifier(steps=3, width=4, random_state=0, verbose=False).fit(x, words), x
    few = {"pretrain_steps": 2, "steps": 3, "batch_size": 8, "random_state": 0, "verbose": False}
    marks = np.where(np.arange(30) < 4, 1, -1)
    yield "deep_svdd", fl.DeepSVDD(network="mlp-8", latent=4, **few).fit(x), x
    yield "deep_sad", fl.DeepSAD(network="mlp-8", latent=4, **few).fit(x, marks), x
    yield "deep_sad_images", fl.DeepSAD(network="lenet-2", latent=4, **few).fit(pixels, np.full(12, -1)), pixels
    for name, kind in NAMES.items():
        wanted = _SMALL | {"width": 8, "latent": 2}
        options = {key: value for key, value in wanted.items() if key in kind().get_params()}
        model = kind(**options).fit(x, numbers if name.endswith("regressor") else words)
        yield name, model, x
        yield f"{name}_baseline", model.baseline().fit(x, numbers if name.endswith("regressor") else words), x


def outputs(model, x):
    """Scores of detectors, probabilities, or numbers."""
    # contiguous: safetensors writes the memory of a view as it lies there
    ask = model.decision_function if isinstance(model, fl.DeepSVDD | fl.DeepSAD) else None
    return np.ascontiguousarray((ask or getattr(model, "predict_proba", model.predict))(x), dtype=np.float64)


if __name__ == "__main__":
    torch.set_num_threads(1)
    place = HERE / fl.__version__
    if place.exists():
        raise SystemExit(f"{place} exists. Golden files are never written again.")
    for name, model, x in models():
        model.save(place / name)
        expected = {"x": x, "outputs": outputs(model, x)}
        save_file(expected, place / name / "expected.safetensors")
