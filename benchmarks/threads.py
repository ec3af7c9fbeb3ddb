"""How far one training and the same one at another number of threads are apart, for a network with convolutions.

FixMatch on digits with 40 labels, float32. Rounding of sums grows from step to step.
Run: OMP_WAIT_POLICY=PASSIVE python benchmarks/threads.py      (about five minutes on two cores)
"""

import numpy as np
import torch
from common import machine

import fewlabels as fl


def main() -> None:
    print(machine())
    data = fl.datasets.load_digits(random_state=0)
    for steps in (20, 100, 300):
        said = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            model = fl.DeepClassifier("fixmatch", steps=steps, precision="float32", random_state=0, verbose=False)
            said.append(model.fit(data.X, data.y).predict_proba(data.X_test))
        one, two = said
        agree = np.mean(one.argmax(1) == two.argmax(1))
        right = [np.mean(each.argmax(1) == data.y_test) for each in said]
        print(
            f"{steps} steps: {agree:.1%} of {len(one)} test rows get the same class, probabilities at most "
            f"{np.abs(one - two).max():.2g} apart; accuracy {right[0]:.1%} and {right[1]:.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
