"""Draws harbour.png, the small picture of the README and the tests: own work, public domain (CC0).

Flat sky, soft hills, sharp houses, ropes, ripples and letters: what masks should tell apart. Drawn at eight
times the size and reduced, so that edges are as smooth as a camera's. Needs numpy and pillow:

    python3 make.py        # writes harbour.png, 160×120
"""
import numpy as np
from PIL import Image, ImageDraw

SCALE, WIDTH, HEIGHT = 8, 160, 120
rng = np.random.default_rng(1)


def at(*points):
    return [(x * SCALE, y * SCALE) for x, y in points]


def ridge(base, height, seed):
    waves = np.random.default_rng(seed).uniform(0.02, 0.25, (6, 2))
    xs = np.arange(0, WIDTH + 1)
    ys = base - height * sum(np.sin(xs * f + 40 * p) * (0.25 / (1 + 12 * f)) for f, p in waves) - height * 0.4
    return at(*zip(xs, ys), (WIDTH, HEIGHT), (0, HEIGHT))


sky = np.linspace(0, 1, HEIGHT * SCALE)[:, None, None] * np.array([70, 45, 5]) + np.array([105, 160, 215])
picture = Image.fromarray(np.broadcast_to(sky, (HEIGHT * SCALE, WIDTH * SCALE, 3)).astype(np.uint8).copy())
draw = ImageDraw.Draw(picture)

draw.ellipse(at((118, 12), (134, 28)), fill=(255, 244, 214))
draw.polygon(ridge(62, 26, 3), fill=(118, 140, 158))
draw.polygon(ridge(70, 18, 5), fill=(84, 112, 104))
draw.rectangle(at((0, 78), (WIDTH, HEIGHT)), fill=(58, 104, 128))

walls = [(196, 92, 72), (226, 196, 134), (236, 232, 220), (112, 142, 160), (182, 74, 66), (208, 160, 96)]
x = 4
for i, wall in enumerate(walls):
    width, top = 13 + (i * 5) % 9, 50 + (i * 7) % 11
    draw.rectangle(at((x, top), (x + width, 82)), fill=wall)
    draw.polygon(at((x - 1, top), (x + width / 2, top - 8), (x + width + 1, top)), fill=(92, 58, 50))
    for row in range(top + 4, 78, 8):
        for column in np.arange(x + 2.5, x + width - 3, 4.5):
            draw.rectangle(at((column, row), (column + 2.4, row + 4)), fill=(40, 48, 60))
            draw.line(at((column + 1.2, row), (column + 1.2, row + 4)), fill=(220, 220, 214), width=3)
    x += width + 1
draw.rectangle(at((0, 81), (WIDTH, 85)), fill=(122, 116, 108))
for stone in range(0, WIDTH, 5):
    draw.line(at((stone, 81), (stone + 1, 85)), fill=(88, 84, 80), width=4)

for boat, (bx, by, hull) in enumerate([(112, 92, (238, 236, 228)), (138, 98, (170, 50, 48)), (40, 100, (36, 60, 96))]):
    draw.polygon(at((bx - 13, by), (bx + 13, by), (bx + 9, by + 7), (bx - 10, by + 7)), fill=hull)
    draw.line(at((bx, by), (bx, by - 38)), fill=(70, 52, 40), width=7)
    for rope in (-13, -6, 6, 13):
        draw.line(at((bx, by - 37), (bx + rope, by)), fill=(60, 56, 54), width=3)
    draw.line(at((bx - 12, by + 2), (bx + 12, by + 2)), fill=(30, 30, 34), width=4)

for _ in range(260):
    rx, ry = rng.uniform(0, WIDTH), rng.uniform(87, HEIGHT)
    length, light = rng.uniform(2, 9) * (ry - 60) / 60, rng.integers(-22, 40)
    colour = tuple(int(c + light) for c in (58, 104, 128))
    draw.arc(at((rx, ry), (rx + length, ry + 2)), 180, 360, fill=colour, width=5)

letters = {"S": ["111", "100", "111", "001", "111"], "P": ["111", "101", "111", "100", "100"],
           "A": ["111", "101", "111", "101", "101"], "R": ["110", "101", "110", "101", "101"]}
for i, letter in enumerate("SPARSR"):
    for row, line in enumerate(letters[letter]):
        for column, bit in enumerate(line):
            if bit == "1":
                px, py = 105 + i * 8 + column * 2, 64 + row * 2
                draw.rectangle(at((px, py), (px + 1.7, py + 1.7)), fill=(250, 246, 236))

picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save("harbour.png", optimize=True)
