"""The plugin as a script meets it: frames.py PLUGIN SMALL.ppm LARGE.bmp

LARGE is what the program made of SMALL by edsrmini-x2 on the CPU, as a BMP of 24 bits.
"""

import sys

import numpy
import vapoursynth as vs

plugin, small, large = sys.argv[1:]
core = vs.core
core.std.LoadPlugin(plugin)


def of_ppm(path):
    magic, size, white, samples = open(path, "rb").read().split(b"\n", 3)
    width, height = map(int, size.split())
    assert (magic, white) == (b"P6", b"255")
    return numpy.frombuffer(samples, numpy.uint8).reshape(height, width, 3)


def of_bmp(path):
    data = open(path, "rb").read()
    start, width, height = (int.from_bytes(data[at : at + 4], "little") for at in (10, 18, 22))
    rows = numpy.frombuffer(data[start:], numpy.uint8).reshape(height, -1)
    return rows[::-1, : 3 * width].reshape(height, width, 3)[:, :, ::-1]


def clip(format, picture, length=1):
    """A clip of which every frame is the picture, an array of planes."""
    planes, height, width = picture.shape
    blank = core.std.BlankClip(format=format, width=width, height=height, length=length)

    def fill(n, f):
        frame = f.copy()
        for plane in range(planes):
            numpy.asarray(frame[plane])[:] = picture[plane]
        return frame

    return core.std.ModifyFrame(blank, blank, fill)


def array(frame):
    return numpy.stack([numpy.asarray(frame[plane]).copy() for plane in range(frame.format.num_planes)])


def fails(words, act):
    try:
        act()
    except vs.Error as error:
        assert words in str(error) and "\n" not in str(error).strip(), error
    else:
        raise AssertionError(f"expected an error with `{words}`")


network = {"model": "edsrmini-x2", "device": "cpu"}
picture, expected = (numpy.moveaxis(read, 2, 0) for read in (of_ppm(small), of_bmp(large)))

# 8 bits: the program's bytes, whole and in tiles.
for tile in (0, 16):
    made = core.sparsr.Upscale(clip(vs.RGB24, picture), tile=tile, **network)
    assert (made.width, made.height, made.format.id) == (expected.shape[2], expected.shape[1], vs.RGB24)
    assert (array(made.get_frame(0)) == expected).all()

# 16 bits and floating point: the same picture, in finer steps.
for format, white, kind in ((vs.RGB48, 65535, numpy.uint16), (vs.RGBS, 1, numpy.float32)):
    fine = (picture.astype(numpy.float64) / 255 * white).astype(kind)
    made = array(core.sparsr.Upscale(clip(format, fine), **network).get_frame(0))
    assert made.dtype == kind and abs(made.astype(numpy.float64) / white * 255 - expected).max() <= 0.51

# Gray stays gray.
for format, white, kind in ((vs.GRAY8, 255, numpy.uint8), (vs.GRAYS, 1, numpy.float32)):
    gray = (picture[:1].astype(numpy.float64) / 255 * white).astype(kind)
    made = array(core.sparsr.Upscale(clip(format, gray), **network).get_frame(0))
    assert made.shape == (1, *expected.shape[1:]) and made.dtype == kind

# Many frames at once, and what a frame says of itself goes along.
many = core.std.SetFrameProps(clip(vs.RGB24, picture, 12), _Matrix=0, _Primaries=9)
for frame in core.sparsr.Upscale(many, **network).frames(prefetch=4):
    assert (array(frame) == expected).all() and frame.props["_Primaries"] == 9

# A ladder's best network everywhere is that network.
best, one = (core.sparsr.Upscale(clip(vs.RGB24, picture), device="cpu", **asked) for asked in ({"effort": 1.0}, {}))
assert (array(best.get_frame(0)) == array(one.get_frame(0))).all()

# Every mistake is a sentence.
fails("expected RGB24", lambda: core.sparsr.Upscale(core.std.BlankClip(format=vs.YUV420P8), **network))
fails("nope", lambda: core.sparsr.Upscale(many, model="nope", device="cpu"))
fails("number 99", lambda: core.sparsr.Upscale(many, device="99"))
fails("effort: expected 0 to 1", lambda: core.sparsr.Upscale(many, device="cpu", effort=2.0))
fails("tile", lambda: core.sparsr.Upscale(many, tile=-1, **network))
not_a_number = numpy.full_like(picture, 0.5, numpy.float32)
not_a_number[1, 2, 3] = numpy.nan
fails("NaN in green at x 3, y 2", lambda: core.sparsr.Upscale(clip(vs.RGBS, not_a_number), **network).get_frame(0))

print(f"VapourSynth {core.core_version.release_major}: all is as it should be")
