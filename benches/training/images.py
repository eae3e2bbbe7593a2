"""Pictures for training and evaluation: MATLAB-compatible bicubic resizing, PSNR-Y, and
random crops of low/high resolution pairs held in memory as bytes.

Guarantees: `imresize(u8, 0.5)` equals MATLAB's (rounding after each pass, rows first), so
it reproduces the published Set5 x2 low-resolution files bit for bit.
"""

from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {".png", ".webp", ".bmp", ".tif", ".tiff"}


def cubic(x):
    """Keys' kernel, a = -0.5."""
    x = np.abs(x)
    return np.where(x <= 1, (1.5 * x - 2.5) * x * x + 1,
                    np.where(x <= 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0.0))


def imresize(img, scale):
    """MATLAB's imresize(img, scale, 'bicubic') with antialiasing, u8 to u8."""
    # For factors of two the tap weights are dyadic: f32 sums are exact.
    for axis in (0, 1):
        a = np.ascontiguousarray(np.moveaxis(img, axis, 0)).astype(np.float32)
        n_in = a.shape[0]
        n_out = int(np.ceil(n_in * scale))
        shrink = min(scale, 1.0)
        centre = np.arange(1, n_out + 1) / scale + 0.5 * (1 - 1 / scale)
        first = np.floor(centre - 2 / shrink)
        index = first[:, None] + np.arange(int(np.ceil(4 / shrink)) + 2)
        weight = cubic(shrink * (centre[:, None] - index))
        weight /= weight.sum(1, keepdims=True)
        mirror = np.concatenate((np.arange(n_in), np.arange(n_in)[::-1]))
        index = mirror[(index.astype(np.int64) - 1) % (2 * n_in)]
        out = np.zeros((n_out,) + a.shape[1:], np.float32)
        for t in range(weight.shape[1]):
            if weight[:, t].any():
                out += weight[:, t, None, None].astype(np.float32) * a[index[:, t]]
        img = np.moveaxis(np.floor(np.clip(out, 0, 255) + 0.5).astype(np.uint8), 0, axis)
    return np.ascontiguousarray(img)


def psnr_y(a, b, border):
    """PSNR of MATLAB's (unrounded) luma of two u8 RGB pictures, without the border."""
    d = a[border:-border, border:-border].astype(np.float64) - b[border:-border, border:-border]
    d = d @ np.array([65.481, 128.553, 24.966]) / 255.0
    return 10 * np.log10(255.0 ** 2 / np.mean(d * d))


def load_rgb(path):
    return np.asarray(Image.open(path).convert("RGB"))


def find(folder):
    return sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)


def crop_multiple(img, n):
    return img[: img.shape[0] // n * n, : img.shape[1] // n * n]


class Pairs:
    """LR/HR pairs (x2) of all pictures under the given folders.

    Pictures longer than 1000 pixels are also taken at about half the size, as the field
    does, for sharper detail.  `holdout` pictures, evenly spread over the sorted list, are
    never trained on: a centre crop of each validates.  Crops are drawn from a grid whose
    cells are sorted by detail, so that the flattest, which teach least, can be left out.
    """

    GRID = 16       # LR pixels between crop origins; drawn crops are shifted within it

    def __init__(self, folders, holdout=12, limit=None):
        files = [p for f in folders for p in find(f)][:limit]
        held = {files[(2 * i + 1) * len(files) // (2 * holdout)] for i in range(holdout)}
        self.held = sorted(held)
        self.pairs, self.val, cells = [], [], []
        for path in files:
            hr = crop_multiple(load_rgb(path), 4)
            big = max(hr.shape) > 1000
            half = None
            if big:
                size = (int(hr.shape[1] * 0.55), int(hr.shape[0] * 0.55))
                half = crop_multiple(np.asarray(Image.fromarray(hr).resize(size, Image.BICUBIC)), 4)
            if path in held:
                hr = half if big else hr
                y, x = (hr.shape[0] - 256) // 8 * 4, (hr.shape[1] - 256) // 8 * 4
                hr = np.ascontiguousarray(hr[y:y + 256, x:x + 256])
                self.val.append((imresize(hr, 0.5), hr))
                continue
            for hr in ([hr, half] if big else [hr]):
                cells.append(self._add(hr))
        detail = np.concatenate([c[1] for c in cells])
        origin = np.concatenate([c[0] for c in cells])
        self.cells = origin[np.argsort(detail)]

    def _add(self, hr):
        lr = imresize(hr, 0.5)
        k = len(self.pairs)
        self.pairs.append((lr, np.ascontiguousarray(hr)))
        # detail of a cell: mean |HR - LR repeated|
        near = hr.reshape(lr.shape[0], 2, lr.shape[1], 2, 3)[:, 0, :, 0].astype(np.int16)
        d = np.abs(near - lr).mean(2)
        g = self.GRID
        h, w = d.shape[0] // g, d.shape[1] // g
        d = d[:h * g, :w * g].reshape(h, g, w, g).mean((1, 3))
        yy, xx = np.mgrid[:h, :w]
        return np.stack((np.full(d.size, k), yy.ravel() * g, xx.ravel() * g), 1), d.ravel()

    def batch(self, rng, patch, count, drop):
        """`count` random pairs with LR side `patch`, flipped and rotated, none from the flattest
        share `drop` of the cells: two u8 NHWC arrays."""
        lrs = np.empty((count, patch, patch, 3), np.uint8)
        hrs = np.empty((count, 2 * patch, 2 * patch, 3), np.uint8)
        drawn = rng.integers(int(drop * len(self.cells)), len(self.cells), size=count)
        for i, (k, y, x) in enumerate(self.cells[drawn]):
            lr, hr = self.pairs[k]
            # the crop is centred on its cell up to the shift, and kept inside the picture
            shift = rng.integers(self.GRID, size=2) - patch // 2
            y = int(np.clip(y + shift[0], 0, lr.shape[0] - patch))
            x = int(np.clip(x + shift[1], 0, lr.shape[1] - patch))
            a, b = lr[y:y + patch, x:x + patch], hr[2 * y:2 * (y + patch), 2 * x:2 * (x + patch)]
            turn, flip = rng.integers(4), rng.integers(2)
            a, b = np.rot90(a, turn), np.rot90(b, turn)
            lrs[i], hrs[i] = (a[:, ::-1], b[:, ::-1]) if flip else (a, b)
        return lrs, hrs
