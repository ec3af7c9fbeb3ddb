"""The opponent: FixMatch as the plain PyTorch loop that people copy.

Per-sample Pillow transforms in DataLoader workers (two for each loader), float32, contiguous layout, one
concatenated forward pass with gradient for all B + 2 mu B rows, SGD, a Python loop for the moving average.
"""

import copy
import random

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler

GREY = (128, 128, 128)


def _affine(image, matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=GREY)


OPERATIONS = [
    lambda im: im,
    lambda im: ImageOps.autocontrast(im),
    lambda im: ImageOps.equalize(im),
    lambda im: ImageOps.posterize(im, random.randint(4, 8)),
    lambda im: ImageOps.solarize(im, random.randint(0, 255)),
    lambda im: ImageEnhance.Brightness(im).enhance(random.uniform(0.05, 0.95)),
    lambda im: ImageEnhance.Color(im).enhance(random.uniform(0.05, 0.95)),
    lambda im: ImageEnhance.Contrast(im).enhance(random.uniform(0.05, 0.95)),
    lambda im: ImageEnhance.Sharpness(im).enhance(random.uniform(0.05, 0.95)),
    lambda im: im.rotate(random.uniform(-30, 30), fillcolor=GREY),
    lambda im: _affine(im, (1, random.uniform(-0.3, 0.3), 0, 0, 1, 0)),
    lambda im: _affine(im, (1, 0, 0, random.uniform(-0.3, 0.3), 1, 0)),
    lambda im: _affine(im, (1, 0, random.uniform(-0.3, 0.3) * im.width, 0, 1, 0)),
    lambda im: _affine(im, (1, 0, 0, 0, 1, random.uniform(-0.3, 0.3) * im.height)),
]


def weak(image):
    if random.random() < 0.5:
        image = ImageOps.mirror(image)
    padded = Image.fromarray(np.pad(np.asarray(image), ((4, 4), (4, 4), (0, 0)), "reflect"))
    x, y = random.randint(0, 8), random.randint(0, 8)
    return padded.crop((x, y, x + image.width, y + image.height))


def strong(image):
    image = weak(image)
    for operation in random.choices(OPERATIONS, k=2):
        image = operation(image)
    side = random.randint(0, image.width // 2)
    x, y = random.randrange(image.width), random.randrange(image.height)
    ImageDraw.Draw(image).rectangle((x - side // 2, y - side // 2, x + side // 2, y + side // 2), fill=GREY)
    return image


def to_tensor(image):
    x = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
    return (x - 0.5) / 0.25


class Rows(Dataset):
    def __init__(self, x, y, transforms):
        self.x, self.y, self.transforms = x, y, transforms

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        image = Image.fromarray(self.x[i])
        return *(to_tensor(t(image)) for t in self.transforms), int(self.y[i])


def endless(rows, batch_size):
    sampler = RandomSampler(rows, replacement=True, num_samples=batch_size * 100_000)
    return iter(DataLoader(rows, batch_size, sampler=sampler, num_workers=2, drop_last=True))


def plain_steps(network, x, y, labeled, *, batch_size=64, ratio=7, lr=0.03, tau=0.95):
    """A generator: each `next` takes one FixMatch step."""
    average = copy.deepcopy(network)
    optimizer = torch.optim.SGD(network.parameters(), lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    labeled_rows = endless(Rows(x[labeled], y[labeled], [weak]), batch_size)
    # the hidden labels are zeros: nothing may use them
    unlabeled_rows = endless(Rows(x, np.zeros(len(x)), [weak, strong]), batch_size * ratio)
    while True:
        x_l, targets = next(labeled_rows)
        x_w, x_s, _ = next(unlabeled_rows)
        logits = network(torch.cat([x_l, x_w, x_s]))
        logits_x = logits[:batch_size]
        logits_w, logits_s = logits[batch_size:].chunk(2)
        loss_x = F.cross_entropy(logits_x, targets)
        confidence, guess = torch.softmax(logits_w.detach(), -1).max(-1)
        mask = confidence.ge(tau).float()
        loss = loss_x + (F.cross_entropy(logits_s, guess, reduction="none") * mask).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                if mine.is_floating_point():
                    mine.copy_(0.999 * mine + 0.001 * theirs)
        yield loss.item()


def module(make) -> nn.Module:
    torch.manual_seed(0)
    return make()
