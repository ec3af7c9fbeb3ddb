"""One page a deep method: its docstring, its row of docs/choose.md, its cost as counted, its row of results."""

import re
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fewlabels import methods
from fewlabels.method import Batch, Net
from fewlabels.tasks import Classes

HERE = Path(__file__).parent
_B, _MU, _K = 4, 3, 3


class _Counted(nn.Linear):
    """A network that notes how many rows pass, and whether a gradient will come back."""

    def __init__(self):
        super().__init__(2, _K)
        self.rows = {True: 0, False: 0}

    def forward(self, x):
        self.rows[torch.is_grad_enabled() and self.weight.requires_grad] += len(x)
        return super().forward(x)


def cost(recipe):
    """What one step sends through the network: rows with a gradient, and rows without, in B and mu B."""
    torch.manual_seed(0)
    net = Net(_Counted(), Classes(_K))
    net.progress = 0.5
    rng = np.random.default_rng(0)

    def rows(n):
        return torch.from_numpy(rng.normal(size=(n, 2)).astype(np.float32))

    copies = getattr(recipe, "augment_x", ())
    batch = Batch(
        rows(_B),
        torch.tensor([0, 1, 2, 0]),
        tuple(rows(_B * _MU) for _ in recipe.augment),
        torch.arange(_B * _MU),
        tuple(rows(_B) for _ in copies),
    )
    recipe.loss(net, batch, recipe.init(_K, 50))
    with_gradient = net.student.rows[True]
    without = net.student.rows[False] + net.teacher.rows[False]
    return f"{_words(with_gradient)} with gradient" + (f", {_words(without)} without" if without else "")


def _words(rows):
    unlabeled, labeled = divmod(rows, _B * _MU)
    extra, rest = divmod(labeled, _B)
    assert rest == 0, rows
    parts = ([f"{extra} B" if extra > 1 else "B"] if extra else []) + (
        [f"{unlabeled} μB" if unlabeled > 1 else "μB"] if unlabeled else []
    )
    return " + ".join(parts)


def table(text, first):
    """Rows of the Markdown table whose header starts with `first`: {name: cells}, and the header's cells."""
    lines = text[text.index(f"| {first} |") :].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells[2:]}, cells[0][1:]


def write():
    """Write docs/methods/NAME.md for every recipe; only pages that changed, so that sphinx reads those anew."""
    advice, _ = table((HERE / "choose.md").read_text(), "Method")
    measured, heads = table((HERE / "results_methods.md").read_text(), "Method")
    folder = HERE / "methods"
    folder.mkdir(exist_ok=True)
    for name, cls in methods.NAMES.items():
        what, learns, when, doubt = advice[name]
        module = cls.__module__
        results = ""
        if name in measured:
            head = "| " + " | ".join(heads) + " |\n|" + "---|" * len(heads)
            row = f"| {' | '.join(measured[name])} |"
            results = f"\n## Measured\n\n{head}\n{row}\n\nHow: [Methods](../methods.md#measured-deep).\n"
        page = f"""# {name}

With unlabeled rows: {what}. Learns {learns}.

```{{eval-rst}}
.. automodule:: {module}
   :members: {cls.__name__}
```

## When

- Take it when: {when}.
- Think twice when: {doubt or "–"}{"." if doubt else ""}
- A step sends {cost(cls())}
  through the network: B labeled rows, μB unlabeled ones (`batch_size`, `unlabeled_ratio`).
{results}
Others: [Choose a method](../choose.md).
"""
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != page:
            path.write_text(page)
