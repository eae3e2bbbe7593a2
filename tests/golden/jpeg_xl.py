"""Small JPEG XL files and what is in them: python3 jpeg_xl.py (pip install imagecodecs numpy)."""
import os

import imagecodecs
import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "jpeg_xl")


def samples(height, width, channels, white):
    """As tests/jpeg_xl.rs makes them."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    return ((x * 977 + y * 3571 + c * 20011) % (white + 1)).astype("uint8" if white == 255 else "uint16")


os.makedirs(FOLDER, exist_ok=True)
for name, channels, white in [("gray8", 1, 255), ("rgb8", 3, 255), ("rgba8", 4, 255), ("gray16", 1, 65535), ("rgb16", 3, 65535)]:
    pixels = samples(5, 7, channels, white)
    pixels = pixels[..., 0] if channels == 1 else pixels
    data = imagecodecs.jpegxl_encode(pixels, lossless=True, effort=7)
    open(os.path.join(FOLDER, name + ".jxl"), "wb").write(data)
frames = np.stack([samples(5, 7, 3, 255), 255 - samples(5, 7, 3, 255)])
open(os.path.join(FOLDER, "animated.jxl"), "wb").write(imagecodecs.jpegxl_encode(frames, lossless=True))
