r"""The verdict round: labels asked only where two fitted models disagree. Any look at the result is allowed.

Rows on which both models answer alike say nothing of which is better. D of the N unlabeled rows remain; they are asked
in a random order, without either answer. With W rows on which the candidate is right and L on which the baseline is,

.. math:: E = \frac{B(W + 2, L + 2)}{B(2, 2)}\, 2^{W + L}, \qquad \hat g = \frac{D}{N} \cdot \frac{W - L}{m}

E is the likelihood of the sequence under a Beta(2, 2) mixture of win rates over that under equally many wins and
losses. If both models are equally right on the pool, E is a supermartingale: drawn without replacement, a surplus of
wins makes the next one less likely than one half. So E >= 20 at any time has probability at most 5 % (Ville), however
often it is looked at (Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", 2023). g is the
difference of the two accuracies on the pool.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln

from fewlabels.errors import InputError
from fewlabels.verdict import Verdict

# Futility is looked at after this many answers, and after twice, four times, ... as many.
_FIRST_LOOK = 40
_FINDING = {
    Verdict.HELPS: "The unlabeled data helped",
    Verdict.HURTS: "The unlabeled data hurt",
    Verdict.NO_PRACTICAL_DIFFERENCE: "The unlabeled data made no practical difference",
    Verdict.CANNOT_TELL: "The answers so far cannot tell whether the unlabeled data helped",
}


@dataclass
class VerdictRound:
    """Questions on which two models disagree, and what the answers prove.

    Attributes
    ----------
    rows : (D,) row numbers of X in the order of asking
    baseline, candidate : (D,) the models' answers there; whoever labels must not see them
    pool : N, the unlabeled rows the two models were compared on; both were trained with them
    delta : differences of accuracy smaller than this do not matter in practice
    alpha : false alarms allowed
    labels : the answers given so far, those of the first rows; None: nobody can tell
    """

    rows: NDArray[np.int64]
    baseline: NDArray[Any]
    candidate: NDArray[Any]
    pool: int
    delta: float = 0.01
    alpha: float = 0.05
    labels: list[Any] = field(default_factory=list)

    @classmethod
    def between(
        cls, rows: NDArray[np.int64], baseline: NDArray[Any], candidate: NDArray[Any], seed: int, delta: float
    ) -> Self:
        """A round on unlabeled rows: (N,) their numbers, (N,) what each model says of them."""
        differ = np.flatnonzero(baseline != candidate)
        order = np.random.default_rng(seed).permutation(differ)
        return cls(rows[order], baseline[order], candidate[order], len(rows), delta)

    def questions(self, n: int = 40) -> NDArray[np.int64]:
        """The next n rows to label, in the order of asking."""
        return self.rows[len(self.labels) : len(self.labels) + n]

    def answer(self, rows: ArrayLike, labels: Any) -> None:
        """Take labels of the next rows; in any order, but none may be left out: a choice would bias the result.

        Parameters
        ----------
        rows : (n,) the row numbers that `questions` gave; labels : (n,) None where nobody can tell

        Raises
        ------
        InputError : other rows than the next ones, or one label a row is not there
        """
        given, labels = np.asarray(rows).reshape(-1), list(labels)
        due = self.questions(len(given))
        if len(labels) != len(given):
            raise InputError(f"{len(given)} rows and {len(labels)} labels were given; expected one label for each row.")
        if sorted(given.tolist()) != sorted(due.tolist()):
            raise InputError(
                f"rows {given.tolist()[:10]} are not the next in the order of asking, {due.tolist()[:10]}. Answer all "
                "rows of a prefix, with None where nobody can tell: rows chosen otherwise would bias the verdict."
            )
        known = dict(zip(given.tolist(), labels, strict=True))
        self.labels += [_plain(known[row]) for row in due.tolist()]

    @property
    def counts(self) -> tuple[int, int, int]:
        """(wins of the candidate, wins of the baseline, answers)."""
        return self._counts(len(self.labels))

    def _counts(self, m: int) -> tuple[int, int, int]:
        triples = list(zip(self.labels[:m], self.candidate.tolist(), self.baseline.tolist(), strict=False))
        return sum(y == c for y, c, _ in triples), sum(y == b for y, _, b in triples), m

    @property
    def e_value(self) -> float:
        """Evidence against "both are equally right on the pool"; 1 before the first answer."""
        wins, losses, _ = self.counts
        return exp(min(700.0, betaln(wins + 2, losses + 2) - betaln(2, 2) + (wins + losses) * log(2)))

    @property
    def gain(self) -> float:
        """Estimated accuracy of the candidate minus the baseline's on the pool; 0 before the first answer."""
        wins, losses, m = self.counts
        return len(self.rows) / self.pool * (wins - losses) / m if m else 0.0

    @property
    def verdict(self) -> Verdict:
        wins, losses, m = self.counts
        if len(self.rows) < self.delta * self.pool or not len(self.rows):
            return Verdict.NO_PRACTICAL_DIFFERENCE  # |acc_S - acc_B| <= D / N, whatever the labels are
        if m == len(self.rows) and (wins == losses or abs(self.gain) < self.delta):
            return Verdict.NO_PRACTICAL_DIFFERENCE  # all is known
        if m == len(self.rows) or self.e_value >= 1 / self.alpha:
            return Verdict.HELPS if wins > losses else Verdict.HURTS
        return Verdict.NO_PRACTICAL_DIFFERENCE if self._futile() else Verdict.CANNOT_TELL

    def _futile(self) -> bool:
        """Whether |g| < delta was sure at one of the looks, by Hoeffding's bound for draws without replacement.

        Answers are +1, 0 or -1. Look j may be wrong with probability alpha / 2^j, all together with alpha.
        """
        look, risk = _FIRST_LOOK, self.alpha / 2
        while look <= len(self.labels):
            wins, losses, m = self._counts(look)
            most = abs(wins - losses) / m + sqrt(2 * log(2 / risk) / m)
            if len(self.rows) / self.pool * most < self.delta:
                return True
            look, risk = 2 * look, risk / 2
        return False

    @property
    def sentence(self) -> str:
        """The result in plain words."""
        wins, losses, m = self.counts
        share = 100 * len(self.rows) / self.pool
        gain = f"{100 * self.gain:+.1f}".replace("-", "−")
        asked = (
            f"Of {m} of those, labeled in random order, the one trained with unlabeled data is right on {wins} and the "
            f"baseline on {losses}: an estimated difference of {gain} points of accuracy on this pool (e-value "
            f"{self.e_value:.3g}; {1 / self.alpha:.0f} decides)."
            if m
            else f"So their accuracies there differ by at most {share:.2g} points, whatever the labels are."
        )
        return (
            f"{_FINDING[self.verdict]}: these two fitted models disagree on {len(self.rows)} of the {self.pool} "
            f"unlabeled rows ({share:.2g} %). {asked}"
        )

    def to_dict(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {
            "rows": self.rows.tolist(),
            "baseline": self.baseline.tolist(),
            "candidate": self.candidate.tolist(),
            "pool": self.pool,
            "delta": self.delta,
            "alpha": self.alpha,
            "labels": self.labels,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises
        ------
        ValueError, TypeError, KeyError : it was not written by that
        """
        arrays = {name: np.array(values[name]) for name in ("rows", "baseline", "candidate")}
        read = cls(**values | arrays)
        shapes = {array.shape for array in arrays.values()}
        if len(shapes) > 1 or read.rows.ndim != 1 or (read.rows.size and read.rows.dtype.kind != "i"):
            raise ValueError("rows and answers of unlike shapes")
        if not isinstance(read.pool, int) or not isinstance(read.labels, list):
            raise TypeError("pool is a whole number, labels a list")
        if read.pool < 1 or not len(read.labels) <= len(read.rows) <= read.pool:
            raise ValueError("more labels than rows, or more rows than the pool has")
        if float(read.delta) < 0 or not 0 < float(read.alpha) < 1:
            raise ValueError("delta or alpha out of range")
        return read


def _plain(label: Any) -> Any:
    """NumPy's scalars as Python's, so that they compare with the models' answers and go into JSON."""
    return label.item() if isinstance(label, np.generic) else label
