r"""Importance weighting. Shimodaira, "Improving predictive inference under covariate shift by weighting the
log-likelihood function", J. Statistical Planning and Inference 90, 2000.

.. math:: w(x) = \frac{r(x)}{\alpha\, r(x) + 1 - \alpha}, \qquad
          r(x) = \frac{p_T(x)}{p_S(x)} = \frac{n_S}{n_T} \cdot \frac{P(T \mid x)}{P(S \mid x)}

P comes from a logistic regression between the sides (Bickel, Brückner, Scheffer, JMLR 2009, section 4), each row's
from folds that it was not in. alpha = 0 is the plain ratio; above 0 it is the ratio relative to a mixture of both
sides, which stays below 1 / alpha (Yamada et al., "Relative Density-Ratio Estimation for Robust Distribution
Comparison", NIPS 2011). Labeled rows are then drawn in proportion to w, whichever method it is; a weighted loss has the
same expectation.

It mends a shift of x alone: rows that are rare among the source's and common among the target's. Where the sides do not
overlap no weight can help, and `effective_labels` says how few labels then count.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from fewlabels.audits.features import features
from fewlabels.errors import OptionError

FEW = 0.25  # effective labels, as a share of all, below which a warning is due
MOST = 5000  # rows of either side that the regression sees, beside the labeled ones


@dataclass(frozen=True)
class ImportanceWeighting:
    """Labeled source rows are drawn the more often, the more they look like target rows.

    Parameters
    ----------
    alpha : 0 for the plain density ratio, up to 1, which weighs all rows alike; no weight exceeds 1 / alpha
    """

    alpha: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise OptionError(f"ImportanceWeighting.alpha is {self.alpha}; expected a number from 0 to 1.")

    def weights(
        self, x: object, labeled: NDArray[np.int64], source: NDArray[np.int64], target: NDArray[np.int64], seed: int
    ) -> NDArray[np.float64]:
        """(L,) weight of each labeled row, with a mean of 1 over those of the source; labeled target rows weigh 1.

        Parameters
        ----------
        x : all rows, as in `Partial`
        labeled, source, target : which rows these are
        """
        rng = np.random.default_rng([seed, 9])
        mine = np.intersect1d(labeled, source)
        others = np.setdiff1d(source, mine)
        sides = [np.concatenate([mine, _some(others, rng)]), _some(target, rng)]
        found, _ = features(x, np.concatenate(sides), seed=seed)
        is_target = np.repeat([0, 1], [len(side) for side in sides])
        folds = StratifiedKFold(min(5, *(len(side) for side in sides)), shuffle=True, random_state=seed)
        model = LogisticRegression(max_iter=1000)
        p = cross_val_predict(model, found, is_target, cv=folds, method="predict_proba")[: len(mine)]
        ratio = len(sides[0]) / len(sides[1]) * p[:, 1] / np.maximum(p[:, 0], 1e-12)
        relative = ratio / (self.alpha * ratio + 1 - self.alpha)
        weights = np.ones(len(labeled))
        weights[np.isin(labeled, mine)] = relative / relative.mean()
        left = effective_labels(weights)
        if left < FEW * len(labeled):
            warnings.warn(
                f"weighted by how much they look like the target, the {len(labeled)} labels are worth {left:.1f}: "
                "source and target hardly overlap, which no weights can mend. Try adapt='adabn' or adapt='dann', or "
                "label some rows of the target.",
                stacklevel=2,
            )
        return weights


def effective_labels(weights: NDArray[np.float64]) -> float:
    """How many equally weighted labels are worth as much: (sum w)^2 / sum w^2 (Kish)."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def _some(rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    return rows if len(rows) <= MOST else rng.choice(rows, MOST, replace=False)
