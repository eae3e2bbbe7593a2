"""Trainings: less loss, the same numbers whenever it is interrupted, and a network that comes of it."""

from itertools import islice

import numpy as np
import pytest
import sparsr
from conftest import picture
from PIL import Image
from sparsr.training import Trainer, crops

MODEL = "edsrmini-x2"
PICTURES = [picture((70, 90, 3), seed=seed) for seed in range(2)]


def trainer(**options):
    return Trainer(MODEL, size=12, device="cpu", **options)


def batches(count, seed=0):
    return list(islice(crops(PICTURES, 2, size=12, batch=4, seed=seed), count))


def test_it_learns_and_the_network_enlarges():
    learning = trainer(ema=0.9)
    (small, large), *_ = batches(1)
    losses = [learning.step(small, large, rate=1e-3).loss for _ in range(12)]
    assert learning.iteration == 12 and losses[-1] < 0.9 * losses[0], losses
    model = learning.model()
    assert (model.architecture, model.scale, model.parameters) == ("edsr", 2, sparsr.load(MODEL).parameters)
    found = sparsr.Upscaler(model, device="cpu")(small[0])
    assert found.shape == (24, 24, 3)
    assert (found != sparsr.Upscaler(MODEL, device="cpu")(small[0])).any()
    again = sparsr.load(model.to_bytes())
    np.testing.assert_array_equal(sparsr.Upscaler(again, device="cpu")(small[0]), found)
    assert len(model.to_bytes(half=True)) < 0.6 * len(model.to_bytes())
    last = sparsr.Upscaler(learning.model(averaged=False), device="cpu")(small[0])
    assert (last != found).any()


def test_the_same_bits_however_often_it_is_interrupted():
    whole, first, second = trainer(), trainer(threads=1), trainer(threads=2)
    all_batches = batches(4)
    for small, large in all_batches:
        whole.step(small, large, 1e-3)
    for small, large in all_batches[:2]:
        first.step(small, large, 1e-3)
    second.restore(first.state())
    assert second.iteration == 2
    for small, large in all_batches[2:]:
        second.step(small, large, 1e-3)
    assert whole.state() == second.state()
    with pytest.raises(sparsr.WeightsError, match="state"):
        second.restore(b"none")


def test_every_setting_is_heard():
    (small, large), (other, larger) = batches(2)

    def after(**options):
        learning = trainer(**options)
        learning.step(small, large, 1e-3)
        learning.step(other, larger, 1e-3)
        return learning.state()

    settings = [
        {},
        {"unit": 1.0},
        {"loss": "mse"},
        {"loss": "charbonnier"},
        {"betas": (0.8, 0.99)},
        {"betas": (0.9, 0.9)},
        {"weight_decay": 0.1},
        {"weight_decay": 0.1, "decoupled": True},
        {"clip": 1e-3},
        {"ema": 0.0},
        {"freeze": ("sub_mean", "add_mean", "head.")},
    ]
    states = [after(**options) for options in settings]
    assert len(set(states)) == len(settings)
    assert after() == states[0]
    with pytest.raises(sparsr.Unsupported, match="no parameter is left to train"):
        trainer(freeze=("",))


def test_what_is_no_number_changes_nothing():
    learning = trainer()
    (small, large), *_ = batches(1)
    before = learning.state()
    lost = large.astype(np.float32) / 255
    lost[0, 0, 0, 0] = np.inf
    with pytest.raises(sparsr.Diverged, match="iteration 1: ") as raised:
        learning.step(small, lost, 1e-3)
    assert isinstance(raised.value, FloatingPointError)
    assert learning.state() == before


def test_what_is_no_batch_is_refused():
    learning = trainer()
    (small, large), *_ = batches(1)
    for a, b, kind, sentence in [
        (small[0], large, sparsr.ShapeError, "small: expected pictures, rows, columns and three channels"),
        (small, small, sparsr.ShapeError, "large: expected pictures of 24x24 pixels, found 12x12"),
        (small[:3], large, sparsr.ShapeError, ""),
        (small.astype(float), large, TypeError, "small: expected samples of uint8 or float32, found float64"),
    ]:
        with pytest.raises(kind) as raised:
            learning.step(a, b, 1e-3)
        assert sentence in str(raised.value)
    for options in ({"loss": "l2"}, {"device": ""}, {"precision": "half"}):
        with pytest.raises(sparsr.ChoiceError):
            Trainer(MODEL, **{"device": "cpu", **options})
    with pytest.raises(sparsr.Unsupported, match="the CPU engine trains in f32"):
        Trainer(MODEL, device="cpu", precision="f16")
    for options in ({"size": 0}, {"at_once": 0}):
        with pytest.raises(sparsr.ShapeError):
            Trainer(MODEL, **{"device": "cpu", **options})
    with pytest.raises(sparsr.ShapeError, match="0: expected at least 24 pixels a side, found 30x20"):
        crops([picture((20, 30, 3))], 2, size=12)


def test_batches_are_crops_of_pictures_by_seed_and_number(tmp_path):
    for (small, large), (same, again), (other, _) in zip(batches(2), batches(2), batches(2, seed=1)):
        np.testing.assert_array_equal(small, same)
        np.testing.assert_array_equal(large, again)
        assert (small != other).any()
        assert small.shape == (4, 12, 12, 3) and large.shape == (4, 24, 24, 3) and small.dtype == np.uint8
        # A small crop is the large one's mean, more or less: they are of one place, turned the same way.
        mean = large.reshape(4, 12, 2, 12, 2, 3).mean(axis=(2, 4))
        assert np.abs(mean - small).mean() < 8
    for at, array in enumerate(PICTURES):
        Image.fromarray(array).save(tmp_path / f"{at}.png")
    small, large = next(crops(tmp_path, 2, size=12, batch=4))
    np.testing.assert_array_equal(small, batches(1)[0][0])
