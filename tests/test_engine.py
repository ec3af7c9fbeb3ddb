"""The loop, the batches, the moving average, checkpoints: what every method stands on."""

import dataclasses
import json
import os
import signal
from copy import deepcopy

import numpy as np
import pytest
import reference
import torch
from torch import nn

from fewlabels import methods
from fewlabels.augment import Images, NoAugmentation, Tables
from fewlabels.batches import Pool, batches, draw
from fewlabels.errors import DivergenceError, InputError, OptionError
from fewlabels.method import Batch, Net
from fewlabels.networks import build
from fewlabels.partial_labels import partial
from fewlabels.run import Options, fit_run
from fewlabels.scaling import Scaling, learn_scaling
from fewlabels.tasks import Classes
from fewlabels.train import learning_rate, sgd, train

ALL = sorted(methods.NAMES)


def table(n=80, n_labels=12, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    x = rng.normal(size=(n, 5)) + 2 * np.eye(5)[truth]
    y = np.full(n, -1)
    y[:n_labels] = np.resize([0, 1, 2], n_labels)
    return x, y, truth


def pictures(n=40, side=8):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, side, side), dtype=np.uint8), np.where(np.arange(n) < 8, np.arange(n) % 2, -1)


def options(method="fixmatch", **changes):
    base = Options(method=methods.NAMES[method](), steps=12, batch_size=8, unlabeled_ratio=2, verbose=False)
    return dataclasses.replace(base, **changes)


def run(method="fixmatch", data=None, **changes):
    x, y = (data or table())[:2]
    p = partial(x, y)
    return fit_run(p, Classes(len(p.classes)), p.y, options(method, **changes))


def same(a, b):
    one, other = a.network.state_dict(), b.network.state_dict()
    return all(torch.equal(one[key], other[key]) for key in one)


# --- order of rows, randomness -----------------------------------------------------------------------------


def test_every_row_is_drawn_once_before_any_row_again():
    n, count = 10, 4
    seen = [draw(0, 0, step, n, count) for step in range(25)]
    index, passes = (np.concatenate([getattr(d, f) for d in seen]) for f in ("index", "passes"))
    for epoch in range(10):
        assert sorted(index[passes == epoch]) == list(range(n))
    assert not np.array_equal(index[:n], index[n : 2 * n])


def test_draws_depend_on_the_step_alone_not_on_what_came_before():
    late = draw(3, 1, 40, 17, 5)
    [draw(3, 1, step, 17, 5) for step in range(40)]
    again = draw(3, 1, 40, 17, 5)
    assert np.array_equal(late.index, again.index)
    assert not np.array_equal(late.index, draw(4, 1, 40, 17, 5).index)


def stream(x, labeled, augment, copies=("weak", "strong"), start=0, stop=6, copies_x=()):
    scaling = Scaling("image", np.zeros(1, np.float32), np.ones(1, np.float32))
    pool = Pool(torch.from_numpy(x)[:, None], np.array(labeled), torch.arange(len(labeled)))
    return list(
        batches(
            pool,
            scaling,
            augment,
            copies,
            batch_size=4,
            unlabeled_ratio=3,
            seed=0,
            start=start,
            stop=stop,
            device=torch.device("cpu"),
            copies_x=copies_x,
        )
    )


def test_two_draws_of_one_row_differ_and_resuming_repeats_them():
    x = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    # 2 labeled rows in batches of 4: each row stands twice in every batch
    got = stream(x, [0, 1], Images())
    first, second = (got[0].x[got[0].y == 0][i] for i in (0, 1))
    assert not torch.equal(first, second)
    weak, strong = got[0].u
    assert not torch.equal(weak, strong)
    by_row = {}
    for batch in got:
        for row, image in zip(batch.rows.tolist(), batch.u[1], strict=True):
            by_row.setdefault(row, []).append(image)
    assert all(not torch.equal(images[0], images[1]) for images in by_row.values())
    for before, after in zip(got[3:], stream(x, [0, 1], Images(), start=3), strict=True):
        for a, b in zip((*before.u, before.x), (*after.u, after.x), strict=True):
            assert torch.equal(a, b)


def test_batches_hold_the_rows_they_say_and_labeled_rows_are_in_the_pool():
    x = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    got = stream(x, [2, 5], NoAugmentation())
    seen = set()
    for batch in got:
        assert batch.x[:, 0, 0, 0].tolist() == [[2, 5][i] for i in batch.y.tolist()]
        for copy in batch.u:
            assert copy[:, 0, 0, 0].tolist() == batch.rows.tolist()
        seen |= set(batch.rows.tolist())
    assert seen == set(range(6))


def test_further_copies_of_labeled_rows_are_those_rows_and_change_nothing_else():
    x = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    plain, more = stream(x, [0, 1], Images()), stream(x, [0, 1], Images(), copies_x=("strong", "weak"))
    for a, b in zip(plain, more, strict=True):
        assert a.x_more == ()
        assert torch.equal(a.x, b.x)
        assert all(torch.equal(one, other) for one, other in zip(a.u, b.u, strict=True))
        assert len({copy.numpy().tobytes() for copy in (b.x, *b.x_more)}) == 3
    (same,) = stream(x, [2, 5], NoAugmentation(), copies_x=("strong",), stop=1)
    assert torch.equal(same.x, same.x_more[0])


def test_supervised_draws_no_unlabeled_row():
    x = np.zeros((6, 8, 8), np.uint8)
    (batch,) = stream(x, [0, 1], Images(), copies=(), stop=1)
    assert batch.u == ()
    assert len(batch.rows) == 0


# --- the moving average, BatchNorm, the loop -----------------------------------------------------------------


def test_teacher_is_the_warm_started_moving_average():
    net = Net(nn.Linear(1, 1, bias=False), Classes(2), average=0.9)
    values = [net.student.weight.item()]
    for step in range(40):
        with torch.no_grad():
            net.student.weight.add_(0.1)
        values.append(net.student.weight.item())
        net.follow(step)
    assert net.teacher.weight.item() == pytest.approx(reference.moving_average(values, 0.9), rel=1e-5)


def test_the_teachers_running_statistics_are_averaged_like_its_weights():
    """Neither left at their start nor copied: they would then belong to other weights."""
    norm = nn.BatchNorm1d(2)
    net = Net(nn.Sequential(norm, nn.Linear(2, 2)), Classes(2), average=0.9)
    values = [norm.running_mean[0].item()]
    for step in range(12):
        net.warm_start(step)
        net(torch.randn(16, 2) + step)
        net.follow(step)
        values.append(norm.running_mean[0].item())
    assert net.teacher[0].running_mean[0].item() == pytest.approx(reference.moving_average(values, 0.9), rel=1e-5)
    assert net.teacher[0].num_batches_tracked == 12


def test_guess_leaves_running_statistics_as_they_are_and_uses_those_of_the_batch():
    net = Net(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), Classes(4))
    net.warm_start(0)
    before = net.student[1].running_mean.clone()
    out = net.guess(torch.randn(32, 3) + 5)
    assert torch.equal(net.student[1].running_mean, before)
    assert out.mean(0).abs().max() < 1e-5
    net(torch.randn(32, 3) + 5)
    assert not torch.equal(net.student[1].running_mean, before)


def test_passes_aside_do_not_count_in_a_plain_mean_over_batches():
    """BatchNorm(momentum=None) divides by how many batches it has counted."""
    norm = nn.BatchNorm1d(3, momentum=None)
    net = Net(nn.Sequential(norm, nn.Linear(3, 2)), Classes(2))
    seen = [torch.randn(16, 3) + i for i in range(4)]
    for step, x in enumerate(seen):
        net.warm_start(step)
        net.guess(x + 9)
        net.aside(x + 9, exact=True)
        net(x)
    torch.testing.assert_close(norm.running_mean, torch.stack(seen).mean((0, 1)))
    assert norm.num_batches_tracked == 4


def test_a_norm_without_running_statistics_stays_one():
    norm = nn.BatchNorm1d(3, track_running_stats=False)
    net = Net(nn.Sequential(norm, nn.Linear(3, 2)), Classes(2))
    net.guess(torch.randn(4, 3))
    assert not norm.track_running_stats


def test_teach_is_in_evaluation_mode_without_gradient():
    net = Net(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)), Classes(4))
    x = torch.randn(8, 3)
    assert torch.equal(net.teach(x), net.teach(x))
    assert not net.teach(x).requires_grad


def test_a_noisy_teacher_is_like_a_student_in_training_and_remembers_nothing():
    norm = nn.BatchNorm1d(4)
    net = Net(nn.Sequential(nn.Linear(3, 4), norm, nn.Dropout(0.5)), Classes(4))
    x, before = torch.randn(8, 3), [b.clone() for b in net.teacher.buffers()]
    twin = deepcopy(net.teacher).train()
    torch.manual_seed(1)
    noisy = net.teach(x, noisy=True)
    torch.manual_seed(1)
    assert torch.equal(noisy, twin(x))
    assert not noisy.requires_grad
    assert not any(module.training for module in net.teacher.modules())
    assert all(torch.equal(a, b) for a, b in zip(before, net.teacher.buffers(), strict=True))
    assert net.teacher[1].track_running_stats


def test_batch_norm_momentum_starts_high_and_ends_at_the_networks_own():
    net = Net(build("wide_resnet-10-1", (1, 8, 8), 2), Classes(2))
    norm = net.student.norm
    net.warm_start(0)
    assert norm.momentum == 0.9
    net.warm_start(10**6)
    assert norm.momentum == 0.001


def test_learning_rate_is_the_papers_cosine():
    assert learning_rate(0.03, 0.0) == 0.03
    assert learning_rate(0.03, 1.0) == pytest.approx(0.03 * np.cos(7 * np.pi / 16))
    assert learning_rate(1.0, 1.0) == pytest.approx(0.195, abs=1e-3)


def test_every_group_of_weights_is_taught_at_the_schedules_rate():
    net = Net(nn.Linear(3, 2), Classes(2))
    optimizer = sgd(net.student, 0.5, 0.01)
    batch = Batch(torch.randn(4, 3), torch.arange(4) % 2, (), torch.arange(0))
    rates = [
        [group["lr"] for group in optimizer.param_groups]
        for _ in train(net, methods.Supervised(), {}, [batch] * 3, optimizer, lr=0.5, steps=8, seed=0, start=2)
    ]
    assert rates == [[learning_rate(0.5, step / 8)] * 2 for step in (2, 3, 4)]
    assert rates[0] != rates[1]


def test_weight_decay_reaches_weights_alone():
    network = build("convnet-4", (1, 8, 8), 2)
    decayed, free = sgd(network, 0.1, 0.01).param_groups
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim == 1 for p in free["params"])
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.01, 0.0)
    assert len(decayed["params"]) + len(free["params"]) == len(list(network.parameters()))


def test_a_loss_that_is_not_finite_stops_before_the_step():
    class Poisoned:
        def loss(self, net, batch, state):
            factor = float("nan") if net.progress >= 0.5 else 1.0
            return net.student.weight.sum() * factor, {}, state

    net = Net(nn.Linear(2, 2), Classes(2))
    batch = Batch(torch.randn(2, 2), torch.arange(2), (), torch.tensor([8, 9]), rows_x=torch.tensor([4, 5]))
    loop = train(net, Poisoned(), {}, [batch] * 4, sgd(net.student, 0.1, 0.0), lr=0.1, steps=4, seed=0)
    next(loop), next(loop)
    before = net.student.weight.clone()
    with pytest.raises(DivergenceError, match=r"step 3 of 4.*labeled rows 4, 5, unlabeled rows 8, 9.*not taken"):
        next(loop)
    assert torch.equal(net.student.weight, before)


# --- whole runs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ALL)
def test_training_moves_the_weights_and_repeats_bit_for_bit(method):
    one, again, other = run(method), run(method), run(method, seed=1)
    assert same(one, again)
    assert one.history == again.history
    assert not same(one, other)
    untrained = run(method, steps=1, lr=0.0)
    assert not same(one, untrained)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("data", [table, pictures])
def test_resume_equals_uninterrupted_bit_for_bit(method, data, tmp_path, monkeypatch):
    whole = run(method, data(), folder=tmp_path / "whole")
    import fewlabels.run as module

    def killed_after(n):
        real = module.train

        def loop(*args, **kwargs):
            for i, step in enumerate(real(*args, **kwargs), 1):
                yield step
                if i == n:
                    raise RuntimeError("killed")

        return loop

    monkeypatch.setattr("fewlabels.saver.SAVE_EVERY", -1.0)
    for kill in (3, 4):  # twice, the second time after a resume
        with monkeypatch.context() as patch:
            patch.setattr(module, "train", killed_after(kill))
            with pytest.raises(RuntimeError, match="killed"):
                run(method, data(), folder=tmp_path / "killed")
    resumed = run(method, data(), folder=tmp_path / "killed")
    assert same(whole, resumed)
    assert whole.history == resumed.history
    lines = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "killed")]
    assert lines[0] == lines[1]
    assert [json.loads(line)["step"] for line in lines[0].splitlines()] == list(range(1, 13))


def test_a_checkpoint_of_other_data_or_settings_is_refused(tmp_path):
    run(folder=tmp_path)
    for change in ({"lr": 0.01}, {"seed": 5}, {"steps": 13}, {"augment": Tables(noise=0.5)}):
        with pytest.raises(InputError, match="other data or settings"):
            run(folder=tmp_path, **change)
    with pytest.raises(InputError, match="other data or settings"):
        run(folder=tmp_path, data=table(seed=1))
    (file,) = (tmp_path / "checkpoint").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged.*no older whole one"):
        run(folder=tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_and_says_how_to_go_on(number, tmp_path, monkeypatch):
    import fewlabels.run as module

    real = module.train

    def loop(*args, **kwargs):
        for step in real(*args, **kwargs):
            if step.number == 5:
                os.kill(os.getpid(), number)
            yield step

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(module, "train", loop)
        if number == signal.SIGINT:
            with pytest.raises(KeyboardInterrupt, match=r"step 5 of 12; saved in .* goes on"):
                run(folder=tmp_path)
        else:
            with pytest.raises(SystemExit) as stopped:
                run(folder=tmp_path)
            assert stopped.value.code == 143
    assert signal.getsignal(number) is before
    assert same(run(folder=tmp_path), run())


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.3}, {"weight_decay": 0.3}, {"average": 0.0}, {"batch_size": 5}, {"unlabeled_ratio": 3},
        {"steps": 13}, {"network": "mlp-8-1"}, {"augment": "none"}, {"augment": Tables(noise=1.0)}, {"seed": 3},
    ],
)  # fmt: skip
def test_every_option_of_a_run_matters(change):
    x = table()[0]
    # Mean Teacher: its unlabeled rows count from the first step, however unsure the network is
    assert not torch.equal(run("mean_teacher").outputs(x), run("mean_teacher", **change).outputs(x))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps=0; expected a whole number"),
        ({"steps": 2.5}, "steps=2.5"),
        ({"batch_size": True}, "batch_size=True"),
        ({"unlabeled_ratio": 0}, "unlabeled_ratio=0"),
        ({"lr": -1.0}, "lr=-1.0; expected a number from 0"),
        ({"average": 1.0}, "average=1.0"),
        ({"device": "cuda:9"}, "device='cuda:9' is not on this machine"),
        ({"precision": "int8"}, "precision='int8'"),
        ({"network": "convnt"}, "Did you mean 'convnet'"),
        ({"network": "convnet"}, "needs images"),
        ({"augment": "imagse"}, "augment='imagse'"),
    ],
)
def test_senseless_options_are_refused(change, words):
    with pytest.raises(OptionError, match=words):
        run(**change)


def test_classes_methods_refuse_numbers():
    from fewlabels.tasks import Numbers

    p = partial(table()[0], np.where(np.arange(80) < 9, 0.5, np.nan), task="numbers")
    with pytest.raises(OptionError, match="fixmatch learns classes, labels and masks, not numbers.*mean_teacher"):
        fit_run(p, Numbers(), p.y, options())


# --- scaling -----------------------------------------------------------------------------------------------------


def test_tables_are_standardized_by_all_rows_and_constant_columns_stay_finite():
    x, y, _ = table()
    x = np.column_stack([x, np.full(len(x), 3.0)])
    scaling = learn_scaling(partial(x, y))
    kept = scaling.store(x).numpy()
    np.testing.assert_allclose(kept[:, :5].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(kept[:, :5].std(0), 1, rtol=1e-5)
    assert (kept[:, 5] == 0).all()


def test_float_images_become_the_same_levels_as_their_bytes():
    x, y = pictures()
    bytes_, floats = partial(x, y), partial(x.astype(np.float32) / 255, y)
    one, other = learn_scaling(bytes_), learn_scaling(floats)
    assert torch.equal(one.store(bytes_.x), other.store(floats.x))
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-4)
    seen = one.network(one.store(bytes_.x))
    assert seen.mean().abs() < 1e-5
    assert abs(seen.std() - 1) < 1e-2


def test_a_history_has_at_most_200_points_and_means_between_them():
    history = run(steps=450).history
    assert len(history) <= 200
    assert history[-1]["step"] == 450
    assert {"loss", "loss_x", "loss_u", "mask_used"} <= set(history[0])


# --- images that stay on disk, progress ---------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    from PIL import Image

    x, y = pictures()
    for i, image in enumerate(x):
        Image.fromarray(image).save(tmp_path / f"{i:02}.png")
    return [tmp_path / f"{i:02}.png" for i in range(len(x))], x, y


def test_images_on_disk_give_the_same_bits_as_images_in_memory(files):
    from fewlabels.data.images import ImageFiles

    paths, x, y = files
    on_disk = ImageFiles(tuple(paths), (8, 8), 1)
    one, other = run(data=(x, y)), run(data=(on_disk, y))
    assert same(one, other)
    assert torch.equal(one.outputs(x[..., None]), other.outputs(on_disk))


def test_a_list_of_paths_is_fitted_predicted_and_compared(files, tmp_path):
    import fewlabels as fl

    paths, x, y = files
    model = fl.DeepClassifier(steps=5, batch_size=4, random_state=0, verbose=False).fit(paths, y)
    assert np.array_equal(model.predict(paths[:3]), model.predict(x[:3]))
    result = fl.compare(paths, y, paths[:8], y[:8], method=model, random_state=0)
    assert result.report(tmp_path / "report.html").read_text().count("data:image/png") > 0


def test_logs_get_a_line_now_and_then_and_a_short_fit_none(capsys, monkeypatch):
    import fewlabels.progress as progress

    run(verbose="auto")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    run(verbose=True)
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("fixmatch: step 1 of 12, loss ")
    assert first.endswith(" left")
    run(verbose=False)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    import sys

    from fewlabels.progress import Bar, show_progress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = show_progress("auto", "fixmatch", 0, 10)
    assert isinstance(bar, Bar)
    with bar:
        bar.update(3, "loss 0.500")
        assert bar.bar.tasks[0].completed == 3


def test_precision_follows_the_machine_and_small_networks_stay_in_float32(monkeypatch):
    import fewlabels.devices as devices

    cpu, convolves, perceptron = torch.device("cpu"), nn.Conv2d(3, 16, 3), nn.Linear(3, 3)
    for gain, chosen in ((2.0, torch.bfloat16), (1.1, None)):
        monkeypatch.setattr(devices, "bfloat16_gain", lambda _, gain=gain: gain)
        assert devices.choose_precision("auto", convolves, cpu) is chosen
        assert devices.choose_precision("auto", perceptron, cpu) is None
    assert devices.choose_precision("bfloat16", perceptron, cpu) is torch.bfloat16
    assert devices.choose_precision("float32", convolves, cpu) is None


def test_augmentation_leaves_the_number_of_threads_as_it_was():
    from fewlabels.devices import one_thread

    torch.set_num_threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_an_interrupt_in_the_last_step_is_not_lost(tmp_path, monkeypatch):
    import fewlabels.run as module

    real = module.train

    def loop(*args, **kwargs):
        for step in real(*args, **kwargs):
            if step.number == 12:
                os.kill(os.getpid(), signal.SIGINT)
            yield step

    monkeypatch.setattr(module, "train", loop)
    with pytest.raises(KeyboardInterrupt, match="saved in"):
        run(folder=tmp_path)


def test_a_resumed_run_keeps_its_precision_and_counts_its_time(tmp_path, monkeypatch):
    import fewlabels.devices as devices

    monkeypatch.setattr(devices, "bfloat16_gain", lambda _: 2.0)
    first = run(data=pictures(), folder=tmp_path)
    assert first.facts["precision"] == "bfloat16"
    monkeypatch.setattr(devices, "bfloat16_gain", lambda _: 0.5)
    again = run(data=pictures(), folder=tmp_path)
    assert again.facts["precision"] == "bfloat16"
    assert again.facts["seconds"] >= first.facts["seconds"] * 0.5
    assert same(first, again)


def test_a_run_that_left_no_checkpoint_begins_its_metrics_anew(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1.0, "loss": 0.5}\n')
    run(folder=tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 12


def test_fingerprints_tell_factories_networks_and_image_sizes_apart(files):
    import functools

    from fewlabels.data.images import ImageFiles
    from fewlabels.identity import data_hash, settings

    paths, x, y = files
    data = partial(x, y)

    def of(network, data=data):
        return str(settings(options(network=network))) + data_hash(data)

    networks = [
        lambda s, k: nn.Linear(1, k),
        lambda s, k: nn.Linear(k, 1),
        functools.partial(build, "mlp"),
        nn.Sequential(nn.ReLU()),
        nn.Sequential(nn.Tanh()),
        "mlp",
    ]
    assert len({of(network) for network in networks}) == len(networks)
    assert of(networks[0]) == of(networks[0])
    sizes = [partial(ImageFiles(tuple(paths), size, 1), y) for size in ((8, 8), (9, 9))]
    assert of("auto", sizes[0]) != of("auto", sizes[1])


def test_out_of_memory_says_what_to_do():
    from fewlabels.errors import ResourceError

    with pytest.raises(ResourceError, match="Lower batch_size"):
        run(network=lambda shape, k: nn.Linear(shape[0], 10**14))


def test_a_bad_image_in_a_worker_is_one_sentence(files):
    from fewlabels.data.images import ImageFiles

    paths, _, y = files
    paths[20].write_bytes(b"not an image")
    with pytest.raises(InputError) as caught:
        run(data=(ImageFiles(tuple(map(str, paths)), (8, 8), 1), y))
    assert "20.png" in str(caught.value)
    assert "Traceback" not in str(caught.value)
