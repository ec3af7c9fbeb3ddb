"""What is not finite never reaches the weights, a checkpoint or a model (R8)."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import fewlabels as fl
from fewlabels import methods
from fewlabels.errors import DivergenceError, OptionError
from fewlabels.guard import Guard
from fewlabels.method import Batch, Net
from fewlabels.partial_labels import partial
from fewlabels.run import Options, fit_run
from fewlabels.saver import Saver
from fewlabels.tasks import Classes
from fewlabels.train import sgd, train

STEPS = 9
BAD = [float("nan"), float("inf"), float("-inf")]


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 5)), np.where(np.arange(40) < 9, np.arange(40) % 3, -1)


@dataclasses.dataclass(frozen=True)
class Poisoned(methods.MeanTeacher):
    """Mean Teacher in which something is not finite at one step."""

    where: str = "loss"
    value: float = float("nan")
    at: int = 4

    def loss(self, net, batch, state):
        if round(net.progress * STEPS) != self.at:
            return super().loss(net, batch, state)
        if self.where == "batch":
            batch = batch._replace(x=torch.full_like(batch.x, self.value))
        if self.where == "student":
            with torch.no_grad():
                next(net.student.parameters()).view(-1)[0] = self.value
        if self.where == "teacher":
            with torch.no_grad():
                next(net.teacher.parameters()).view(-1)[0] = self.value
        loss, metrics, state = super().loss(net, batch, state)
        if self.where == "loss":
            loss = loss * self.value
        if self.where == "gradient":  # a finite loss with a gradient that is not
            weight = next(net.student.parameters())
            loss = loss + _Spoilt.apply(weight, self.value)
        return loss, metrics, state


class _Spoilt(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight, value):
        ctx.shape, ctx.value = weight.shape, value
        return weight.new_zeros(())

    @staticmethod
    def backward(ctx, gradient):
        return torch.full(ctx.shape, ctx.value), None


def options(method, steps=STEPS, **more):
    return Options(method, network="mlp-8-1", steps=steps, batch_size=4, unlabeled_ratio=2, verbose=False, **more)


def run(method, **more):
    p = partial(*data())
    return fit_run(p, Classes(3), p.y, options(method, **more))


@pytest.mark.parametrize("at", [0, 1, 4, STEPS - 1])
@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("where", ["loss", "gradient", "batch", "student", "teacher"])
def test_what_is_not_finite_ends_the_training_before_the_step(where, value, at, tmp_path, monkeypatch):
    monkeypatch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)
    before, real = [], torch.optim.SGD.step

    def step(self, *args):
        real(self, *args)
        before.append([p.detach().clone() for group in self.param_groups for p in group["params"]])

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    with pytest.raises(
        DivergenceError, match=rf"step {at + 1} of {STEPS} \(learning rate 0.0\d+, labeled rows \d"
    ) as e:
        run(Poisoned(where=where, value=value, at=at), folder=tmp_path)
    assert len(before) == at  # the optimizer took no step with it
    what = "the norm of the gradient is " if where == "gradient" else "the loss is "
    assert str(e.value).startswith(what) or where == "student", e.value  # whose loss may still be finite
    assert all(torch.isfinite(p).all() for weights in before for p in weights)
    told = json.loads((tmp_path / f"diverged-step-{at + 1}.json").read_text())
    assert told == e.value.details
    assert told["step"] == at + 1
    assert len(told["labeled_rows"]) == 4
    assert set(told["labeled_rows"]) <= set(range(9))
    assert len(told["unlabeled_rows"]) == 8
    assert len(told["last_losses"]) == at + 1
    steps = [int(path.stem.removeprefix("step-")) for path in (tmp_path / "checkpoint").glob("*")]
    assert max(steps, default=0) == at
    (tmp_path / f"diverged-step-{at + 1}.json").unlink()


def test_the_message_names_up_to_five_rows_of_each_kind():
    network = nn.Linear(2, 2)
    batch = Batch(torch.zeros(7, 2), torch.arange(7) % 2, (), torch.arange(0), rows_x=torch.arange(20, 27))
    for rows, words in ((7, "20, 21, 22, 23, 24 and 2 more"), (5, "20, 21, 22, 23, 24"), (6, "24 and 1 more")):
        network(torch.ones(1, 2)).sum().backward()
        with pytest.raises(
            DivergenceError, match=rf"labeled rows .*{words}, unlabeled rows none\); that step was"
        ) as e:
            Guard(torch.optim.SGD(network.parameters(), 0.1), 10).see(
                3, 0.125, torch.tensor(float("inf")), batch._replace(rows_x=batch.rows_x[:rows])
            )
        assert str(e.value).startswith("the loss is inf at step 4 of 10 (learning rate 0.125, labeled rows 2")
        norm = torch.cat([p.grad.flatten() for p in network.parameters()]).norm().item()
        assert e.value.details == {
            "step": 4, "steps": 10, "loss": "inf", "gradient_norm": str(norm), "learning_rate": 0.125,
            "labeled_rows": list(range(20, 20 + rows)), "unlabeled_rows": [], "last_losses": ["inf"],
        }  # fmt: skip


def test_the_last_twenty_losses_are_told():
    network = nn.Linear(2, 2)
    guard = Guard(torch.optim.SGD(network.parameters(), 0.1), 100)
    batch = Batch(torch.zeros(1, 2), torch.zeros(1), (), torch.arange(0), rows_x=torch.arange(1))
    for step in range(30):
        network(torch.ones(1, 2)).sum().backward()
        guard.see(step, 0.1, torch.tensor(float(step)), batch)
    network.weight.grad[0, 0] = float("nan")
    with pytest.raises(DivergenceError, match="the norm of the gradient is nan at step 31 of 100") as e:
        guard.see(30, 0.1, torch.tensor(30.0), batch)
    assert e.value.details["last_losses"] == [str(float(i)) for i in range(11, 31)]


def test_the_last_good_checkpoint_goes_on(tmp_path, monkeypatch):
    """A mistake that is mended, here a method that is the same by name, costs no step."""
    monkeypatch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)
    with pytest.raises(DivergenceError):
        run(Poisoned(at=6), folder=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Poisoned, "loss", methods.MeanTeacher.loss)
        again, whole = run(Poisoned(at=6), folder=tmp_path), run(Poisoned(at=6))
    assert again.history == whole.history
    assert all(torch.equal(a, b) for a, b in zip(again.network.parameters(), whole.network.parameters(), strict=True))


@pytest.mark.parametrize("spoilt", ["student", "teacher", "momentum"])
def test_weights_that_are_not_finite_are_never_saved(spoilt, tmp_path, monkeypatch):
    """An update may overflow although its gradient is finite."""
    real = Saver.save_if_due

    def overflow(self, step, history):
        self.saved = -1e9
        if step.number == 5:
            momentum = self.optimizer.state[next(self.net.student.parameters())]["momentum_buffer"]
            tensors = {"momentum": momentum}.get(spoilt)
            tensors = next(getattr(self.net, spoilt).parameters()) if tensors is None else tensors
            with torch.no_grad():
                tensors.view(-1)[0] = float("inf")
        real(self, step, history)

    monkeypatch.setattr(Saver, "save_if_due", overflow)
    with pytest.raises(DivergenceError, match=f"of the {spoilt} is not finite any more, so nothing was saved"):
        run(methods.MeanTeacher(), folder=tmp_path)
    assert sorted(path.stem for path in (tmp_path / "checkpoint").iterdir()) == ["step-000000003", "step-000000004"]


def test_no_model_comes_out_of_a_last_step_that_overflows(monkeypatch):
    real = Net.follow

    def overflow(self, step):
        real(self, step)
        if step == STEPS - 1:
            with torch.no_grad():
                next(self.teacher.parameters()).view(-1)[0] = float("nan")

    monkeypatch.setattr(Net, "follow", overflow)
    with pytest.raises(DivergenceError, match="trained network is not finite"):
        run(methods.MeanTeacher())


def test_an_estimator_that_diverges_stays_unfitted_and_names_the_learning_rate():
    model = fl.DeepClassifier(network="mlp-8-1", lr=999.0, steps=200, random_state=0, verbose=False)
    with pytest.raises(DivergenceError, match=r"learning rate 9\d\d"):
        model.fit(*data())
    assert not hasattr(model, "run_")


def regression(**more):
    """It diverges with a learning rate of 0.1 or more, and not with 0.05."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    y = np.where(np.arange(60) < 20, x @ [1.0, -2.0, 0.5, 0.0, 1.0], np.nan)
    options = {"network": "mlp-8-1", "steps": 60, "batch_size": 4, "unlabeled_ratio": 2, "random_state": 0}
    return fl.DeepRegressor("mean_teacher", verbose=False, **options | more).fit(x, y)


def test_a_rollback_begins_anew_with_half_the_learning_rate(tmp_path):
    with pytest.warns(UserWarning, match=r"As on_nonfinite='rollback', training begins anew with lr=") as said:
        found = regression(lr=0.2, on_nonfinite="rollback", folder=tmp_path)
    assert [str(w.message).rpartition("=")[2] for w in said] == ["0.1.", "0.05."]
    assert (found.run_.facts["rollbacks"], found.run_.facts["learning_rate"]) == (2, 0.05)
    assert found.lr == 0.2  # scikit-learn: fit changes no parameter
    slow = regression(lr=0.05)
    assert "rollbacks" not in slow.run_.facts
    assert found.history_ == slow.history_
    pairs = zip(found.run_.network.parameters(), slow.run_.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert len(list(tmp_path.rglob("diverged-step-*.json"))) == 2
    assert {w.filename for w in said} == {__file__}
    with pytest.warns(UserWarning, match="begins anew"):  # the same call goes on: it has all its steps already
        again = regression(lr=0.2, on_nonfinite="rollback", folder=tmp_path)
    assert again.history_ == found.history_


def test_a_run_that_diverged_may_be_given_rollbacks(tmp_path, monkeypatch):
    monkeypatch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)
    options = {"network": "mlp-8-1", "lr": 999.0, "steps": 20, "random_state": 0, "verbose": False, "folder": tmp_path}
    with pytest.raises(DivergenceError):
        fl.DeepClassifier(**options).fit(*data())
    assert list(tmp_path.rglob("step-*"))
    with pytest.warns(UserWarning, match="begins anew") as said, pytest.raises(DivergenceError):
        fl.DeepClassifier(on_nonfinite="rollback", **options).fit(*data())
    assert {w.filename for w in said} == {__file__}


def test_after_three_rollbacks_it_is_an_error():
    with pytest.warns(UserWarning, match="begins anew") as said, pytest.raises(DivergenceError, match="learning rate"):
        regression(lr=8.0, on_nonfinite="rollback")
    assert [str(w.message).rpartition("=")[2] for w in said] == ["4.", "2.", "1."]


def test_a_rollback_is_an_option_and_no_part_of_a_comparison():
    with pytest.raises(OptionError, match="on_nonfinite='retry'; expected 'raise' or 'rollback'"):
        regression(on_nonfinite="retry")
    x, y = data()
    model = fl.DeepClassifier(on_nonfinite="rollback")
    with pytest.raises(OptionError, match="another learning rate than the other"):
        fl.compare(x, y, method=model)
    with pytest.raises(OptionError, match="another learning rate than the other"):
        fl.label_budget(x, y, method=model)


# --- on an accelerator nobody waits: tried with the CPU's fused optimizer, which has the same switch --------------


def fused(network):
    return torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=0.1, fused=True)


class _Now:
    """A loss that is not finite from one step on."""

    def __init__(self, at):
        self.at = at

    def loss(self, net, batch, state):
        factor = float("nan") if round(net.progress * 100) == self.at else 1.0
        return net(batch.x)[0].square().sum() * factor, {}, state


@pytest.mark.parametrize("at", [0, 3, 60, 99])
def test_a_fused_optimizer_skips_the_step_and_all_later_ones_until_somebody_looks(at):
    torch.manual_seed(0)
    net = Net(nn.Linear(2, 2), Classes(2))
    batch = Batch(torch.randn(4, 2), torch.arange(4) % 2, (), torch.arange(0), rows_x=torch.arange(4))
    weights = [net.student.weight.clone()]
    loop = train(net, _Now(at), {}, [batch] * 100, fused(net.student), lr=0.1, steps=100, seed=0)

    def until_told():
        for step in loop:
            weights.append(net.student.weight.clone())
            if step.number == 70:
                step.guard.look()

    with pytest.raises(DivergenceError, match=f"step {at + 1} of 100"):
        until_told()
    assert len(weights) <= at + 51  # looked at every 50 steps even if nobody asks
    assert all(not torch.equal(a, b) for a, b in pairwise(weights[: at + 1]))
    assert all(torch.equal(weights[at], later) for later in weights[at:])


@pytest.mark.parametrize(("loss", "gradient"), [(float("nan"), 1.0), (1.0, float("nan")), (1.0, float("inf"))])
def test_a_fused_optimizer_takes_no_step_with_a_loss_or_a_gradient_that_is_not_finite(loss, gradient):
    network = nn.Linear(3, 1, bias=False)
    optimizer, before = fused(network), network.weight.detach().clone()
    guard, batch = Guard(optimizer, 10), Batch(torch.zeros(1, 3), torch.zeros(1), (), torch.arange(0))
    network.weight.grad = torch.tensor([[1.0, gradient, 1.0]])
    guard.see(0, 0.1, torch.tensor(loss), batch._replace(rows_x=torch.arange(1)))
    optimizer.step()
    assert torch.equal(network.weight, before)
    with pytest.raises(DivergenceError, match="step 1 of 10"):
        guard.look()


@dataclasses.dataclass(frozen=True)
class Late(methods.Supervised):
    """Supervised training that is not finite from one step on."""

    def loss(self, net, batch, state):
        loss, metrics, state = super().loss(net, batch, state)
        return loss * (float("nan") if round(net.progress * 450) >= 301 else 1.0), metrics, state


def test_no_checkpoint_is_written_of_steps_at_which_nobody_looked(tmp_path, monkeypatch):
    """450 steps have a point of the history, and so a look, every third step; saved is after each."""
    monkeypatch.setattr("fewlabels.run.sgd", lambda network, *_: fused(network))
    monkeypatch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)
    monkeypatch.setattr("os.fsync", lambda _: None)  # 600 of them take a while
    with pytest.raises(DivergenceError, match="step 302 of 450"):
        run(Late(), folder=tmp_path, steps=450)
    assert max(path.stem for path in (tmp_path / "checkpoint").iterdir()) == "step-000000301"


def test_looking_is_one_transfer_for_many_steps(monkeypatch):
    network = nn.Linear(2, 2)
    guard, looks = Guard(fused(network), 100), []
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: looks.append(self.shape) or [[0.0, 0.0]] * len(self))
    for step in range(49):
        network(torch.ones(1, 2)).sum().backward()
        guard.see(step, 0.1, torch.zeros(()), None)
    assert looks == []
    guard.look()
    assert looks == [(49, 2)]
    for step in range(50):  # and without being asked after fifty
        assert len(looks) == 1
        guard.see(step, 0.1, torch.zeros(()), None)
    assert looks == [(49, 2), (50, 2)]


def test_on_the_cpu_the_optimizer_is_the_plain_one():
    """Whose bits all figures in the documentation are of."""
    assert not sgd(nn.Linear(2, 2), 0.1, 0.0).param_groups[0]["fused"]
