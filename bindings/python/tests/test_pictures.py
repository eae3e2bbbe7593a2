"""Pictures of every kind against the program's, byte for byte, on the CPU engine."""

import struct
import zlib

import numpy as np
import pytest
import sparsr
from conftest import picture
from PIL import Image

MODEL = "edsrmini-x2"


@pytest.fixture(scope="module")
def upscaler():
    return sparsr.Upscaler(MODEL, device="cpu")


@pytest.fixture
def by_program(program, tmp_path):
    """What the program makes of a file."""

    def enlarge(source, model=MODEL):
        target = tmp_path / "large.png"
        program("upscale", source, "-m", model, "--device", "cpu", "-o", target, "--force")
        return target

    return enlarge


def read_png(path):
    """RGB of 16 bits, which PIL reads as 8."""
    data, chunks = path.read_bytes()[8:], {}
    while data:
        length, kind = struct.unpack(">I4s", data[:8])
        chunks[kind] = chunks.get(kind, b"") + data[8 : 8 + length]
        data = data[12 + length :]
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour) == (16, 2)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 6 * width).tolist()
    above, rows = [0] * (6 * width), []
    for kind, *line in lines:
        for at, value in enumerate(line):
            left, corner = (line[at - 6], above[at - 6]) if at >= 6 else (0, 0)
            near = min(left, above[at], corner, key=lambda v: abs(left + above[at] - corner - v))
            line[at] = (value + [0, left, above[at], (left + above[at]) // 2, near][kind]) % 256
        rows.append(above := line)
    return np.array(rows, np.uint8).view(">u2").reshape(height, width, 3).astype(np.uint16)


@pytest.mark.parametrize("model", [MODEL, "smsr-x2", "edsrmini-x3"])
@pytest.mark.parametrize("size", [(33, 47), (1, 1), (5, 90)])
def test_eight_bits_are_the_programs(by_program, tmp_path, model, size):
    array = picture((*size, 3))
    Image.fromarray(array).save(tmp_path / "small.png")
    with Image.open(by_program(tmp_path / "small.png", model)) as expected:
        large = sparsr.Upscaler(model, device="cpu")(array)
        assert large.dtype == np.uint8
        np.testing.assert_array_equal(large, np.asarray(expected))


@pytest.mark.parametrize("mode", ["RGBA", "L", "LA", "P", "P with transparency", "1", "I;16"])
def test_images_are_the_programs(by_program, tmp_path, upscaler, mode):
    source = tmp_path / "small.png"
    if mode == "I;16":
        Image.fromarray(picture((33, 47), np.uint16)).save(source)
    else:
        image = Image.fromarray(picture((33, 47, 4 if mode.endswith("A") else 3))).convert(mode.partition(" ")[0])
        image.save(source, **({"transparency": 3} if "with" in mode else {}))
    with Image.open(source) as image, Image.open(by_program(source)) as expected:
        large = upscaler(image)
        assert isinstance(large, Image.Image) and large.size == (94, 66)
        np.testing.assert_array_equal(np.asarray(large), np.asarray(expected.convert(large.mode)))
        assert large.mode == {"P": "RGB", "P with transparency": "RGBA", "1": "L"}.get(mode, mode)


def test_sixteen_bits_and_floats_are_the_programs(by_program, tmp_path, upscaler):
    array = picture((33, 47, 3), np.uint16)
    header = b"P6\n%d %d\n65535\n" % (array.shape[1], array.shape[0])
    (tmp_path / "small.ppm").write_bytes(header + array.astype(">u2").tobytes())
    expected = read_png(by_program(tmp_path / "small.ppm"))
    large = upscaler(array)
    assert large.dtype == np.uint16
    np.testing.assert_array_equal(large, expected)
    large = upscaler(array.astype(">u2"))
    np.testing.assert_array_equal(large, expected, "samples whose bytes are the other way round")
    large = upscaler((array / 65535).astype(np.float32))
    assert large.dtype == np.float32
    np.testing.assert_array_equal(np.rint(large.astype(np.float64) * 65535), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_the_same_kind_comes_out(upscaler, dtype, channels):
    array = picture((12, 17, *channels), dtype)
    large = upscaler(array)
    assert (large.shape, large.dtype) == ((24, 34, *channels), dtype)
    assert large.flags.c_contiguous and large.flags.writeable
    large[0] = 0


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[:, ::-1],
        lambda a: a[::-1],
        lambda a: a[..., ::-1],
        lambda a: a[3:20, 5:30],
        lambda a: a[::2, ::3],
        lambda a: a.transpose(1, 0, 2),
        lambda a: np.asfortranarray(a),
        lambda a: np.broadcast_to(a[:1], (9, *a.shape[1:])),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_strides_do_not_matter(upscaler, view, dtype):
    viewed = view(picture((24, 36, 3), dtype))
    np.testing.assert_array_equal(upscaler(viewed), upscaler(viewed.copy()))


def test_an_array_that_cannot_be_written_is_read(upscaler):
    array = picture((8, 8, 3))
    array.flags.writeable = False
    assert upscaler(array).shape == (16, 16, 3)


def test_tiles_and_threads_do_not_matter(upscaler):
    array = picture((70, 90, 3))
    expected = upscaler(array)
    for options in ({"tile": 32}, {"tile": "whole"}, {"threads": 1}, {"threads": 2}, {"memory": 64 << 20}):
        np.testing.assert_array_equal(sparsr.Upscaler(MODEL, device="cpu", **options)(array), expected, str(options))


def test_a_profile_and_exif_stay_with_an_image(upscaler):
    image = Image.fromarray(picture((8, 9, 3)))
    image.info = {"icc_profile": b"profile", "exif": b"exif", "dpi": (72, 72)}
    assert upscaler(image).info == {"icc_profile": b"profile", "exif": b"exif"}


# Tensors


class Tensor:
    """What a library of tensors shows of one: DLPack, and `from_dlpack` in its module."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def from_dlpack(exporter):
    return Tensor(np.from_dlpack(exporter))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_tensors_have_channels_first(upscaler, dtype):
    array = picture((12, 17, 3), dtype)
    expected = upscaler(array).transpose(2, 0, 1)
    planes = Tensor(np.ascontiguousarray(array.transpose(2, 0, 1)))
    large = upscaler(planes)
    assert type(large) is Tensor
    np.testing.assert_array_equal(large.array, expected)
    large = upscaler(Tensor(np.stack([planes.array, planes.array[:, ::-1]])))
    assert large.array.shape == (2, 3, 24, 34)
    np.testing.assert_array_equal(large.array[0], expected)
    np.testing.assert_array_equal(upscaler(Tensor(array[..., 0])).array, upscaler(array[..., 0]))


def test_torch(upscaler):
    torch = pytest.importorskip("torch", reason="torch is not installed: tensors are a class of the tests")
    array = picture((12, 17, 3), np.float32)
    tensor = torch.from_numpy(array).permute(2, 0, 1)[None]
    large = upscaler(tensor)
    assert isinstance(large, torch.Tensor) and large.dtype == torch.float32
    np.testing.assert_array_equal(large[0].permute(1, 2, 0).numpy(), upscaler(array))


# Masks


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_masks_and_densities(dtype):
    upscaler = sparsr.Upscaler("smsr-x2", device="cpu")
    array = picture((24, 30, 3), dtype)
    masks = upscaler.masks(array)
    assert len(masks) == 5 and all(mask.shape == (24, 30) and mask.dtype == bool for mask in masks.values())
    densities = upscaler.densities(array)
    assert list(densities) == list(masks)
    assert any(0 < density < 1 for density in densities.values())
    assert densities == {name: mask.mean() for name, mask in masks.items()}
    if dtype == np.uint16:
        assert upscaler.densities((array / 65535).astype(np.float32)) == densities
    if dtype == np.uint8:
        for same in (Image.fromarray(array), Tensor(np.ascontiguousarray(array.transpose(2, 0, 1)))):
            assert upscaler.densities(same) == densities
        gray = upscaler.densities(array[..., 0])
        assert gray == upscaler.densities(np.repeat(array[..., :1], 3, axis=2))
    assert sparsr.Upscaler(MODEL, device="cpu").masks(array) == {}
