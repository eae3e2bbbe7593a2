"""Networks: loaded from everywhere, described in the field's words, described and measured as the program does."""

import json
import struct

import numpy as np
import pytest
import sparsr
from conftest import WEIGHTS, picture
from PIL import Image


def test_from_a_name_a_path_bytes_and_a_model():
    path = WEIGHTS / "edsrmini-x2.safetensors"
    array = picture((9, 8, 3))
    expected = sparsr.Upscaler("edsrmini-x2", device="cpu")(array)
    for model in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), sparsr.load(path)):
        upscaler = sparsr.Upscaler(model, device="cpu")
        np.testing.assert_array_equal(upscaler(array), expected)
        assert upscaler.model.architecture == "edsr"


def test_a_model_says_what_it_is():
    model = sparsr.load("smsr-x2")
    assert (model.name, model.architecture, model.scale, model.scales, model.purpose) == ("smsr-x2", "smsr", 2, [2], "SR")
    assert (model.input_channels, model.output_channels, model.parameters) == (3, 3, 269976)
    assert model.size_requirements == (1, 2, False)
    assert (model.size_requirements.minimum, model.size_requirements.multiple_of) == (1, 2)
    assert model.tiling in ("supported", "internal")
    assert "smsr" in repr(model)
    assert model.at_scale(2).scale == 2
    with pytest.raises(sparsr.WeightsError):
        model.at_scale(3)
    with pytest.raises(AttributeError):
        model.scale = 3


def test_a_ladder_is_the_programs(program, tmp_path):
    array = picture((96, 100, 3))
    Image.fromarray(array).save(tmp_path / "in.png")
    for effort in (0, 0.5, 1):
        program("upscale", str(tmp_path / "in.png"), "-o", str(tmp_path / f"{effort}.png"), "--effort", str(effort), "--device", "cpu")
        upscaler = sparsr.Upscaler(effort=effort, device="cpu")
        assert upscaler.model.name == "smsr-x2"
        np.testing.assert_array_equal(upscaler(array), np.asarray(Image.open(tmp_path / f"{effort}.png")))
    assert set(upscaler.masks(array)) != set(sparsr.Upscaler(effort=0.5, device="cpu").masks(array))
    with pytest.raises(sparsr.Unsupported, match="effort: expected 0 to 1, found 1.5"):
        sparsr.Upscaler(effort=1.5, device="cpu")
    with pytest.raises(sparsr.Unsupported, match="expected the best network of the ladder"):
        sparsr.Upscaler("edsrmini-x2", effort=0.5, device="cpu")
    with pytest.raises(FileNotFoundError):
        sparsr.Upscaler(ladder=tmp_path / "none", device="cpu")


@pytest.mark.parametrize("name", sparsr.builtin_models())
def test_inspect_is_the_programs(program, name):
    assert sparsr.inspect(name) == json.loads(program("inspect", name, "--json"))


def test_eval_is_the_programs(program, tmp_path):
    large, small = tmp_path / "large", tmp_path / "small"
    large.mkdir()
    small.mkdir()
    arrays = [picture((61, 64, 3), seed=1), picture((50, 71, 3), seed=2)]
    for at, array in enumerate(arrays):
        Image.fromarray(array).save(large / f"{at}.png")
        height, width = array.shape[0] // 2, array.shape[1] // 2
        Image.fromarray(array).resize((width, height)).save(small / f"{at}x2.png")
    (large / "notes.txt").write_text("no picture")

    def without_time(evaluation):
        for score in (*evaluation["images"], evaluation["mean"]):
            score.pop("seconds")
        return evaluation

    def printed(*arguments):
        evaluation = without_time(json.loads(program("eval", "smsr-x2", "--device", "cpu", "--json", *arguments)))
        evaluation["mean"].update(name="", size=None)
        return evaluation

    by_folder = without_time(sparsr.eval("smsr-x2", large, device="cpu"))
    assert by_folder == printed("--hr", large)
    upscaler = sparsr.Upscaler("smsr-x2", device="cpu")
    assert without_time(sparsr.eval(upscaler, str(large), small)) == printed("--hr", large, "--lr", small)
    for pictures in (arrays, map(Image.fromarray, arrays), sorted(large.glob("*.png"))):
        assert without_time(sparsr.eval(upscaler, pictures))["images"] == by_folder["images"]
    with pytest.raises(sparsr.FileNotFound, match="no small picture called 0 or 0x2"):
        sparsr.eval(upscaler, large, large / "..")
    with pytest.raises(TypeError, match="expected no others, found device"):
        sparsr.eval(upscaler, large, device="cpu")
    with pytest.raises(sparsr.ShapeError, match="SSIM needs at least 15 pixels a side"):
        sparsr.eval(upscaler, [picture((14, 40, 3))])


def test_devices():
    for device in sparsr.devices():
        assert device.kind in ("discrete", "integrated", "virtual", "other", "software")
        assert device.name and device.index >= 0


# Errors


def changed(edit):
    """The bytes of edsrmini-x2 with other numbers, as 32-bit floating point."""
    data = (WEIGHTS / "edsrmini-x2.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    made, out = {}, b""
    for name, about in header.items():
        if name == "__metadata__":
            continue
        start, end = about["data_offsets"]
        numbers = edit(name, np.frombuffer(body[start:end], "<f2").astype("<f4")).tobytes()
        made[name] = {"dtype": "F32", "shape": about["shape"], "data_offsets": [len(out), len(out) + len(numbers)]}
        out += numbers
    text = json.dumps(made).encode()
    return struct.pack("<Q", len(text)) + text + out


def cpu(model="edsrmini-x2", **options):
    return sparsr.Upscaler(model, device="cpu", **options)


def no_number():
    array = picture((4, 5, 3), np.float32)
    array[2, 3, 1] = np.nan
    return array


def too_large(name, numbers):
    return numbers * np.float32(1e30) if name.startswith("body.") else numbers


ERRORS = [
    (sparsr.WeightsError, ValueError, "bytes: expected", lambda: sparsr.load(b"nonsense")),
    (sparsr.WeightsError, ValueError, "bytes: ", lambda: cpu(changed(lambda name, numbers: numbers * 0))),
    (sparsr.ShapeError, ValueError, "found the shape [4, 5, 2]", lambda: cpu()(np.zeros((4, 5, 2), np.uint8))),
    (sparsr.ShapeError, ValueError, "found the shape [4]", lambda: cpu()(np.zeros(4, np.uint8))),
    (sparsr.ShapeError, ValueError, "found 0x4", lambda: cpu()(np.zeros((4, 0, 3), np.uint8))),
    (sparsr.ChoiceError, ValueError, "expected auto, f32 or f16, found `half`", lambda: cpu(precision="half")),
    (sparsr.ChoiceError, ValueError, "found `some`", lambda: cpu(tile="some")),
    (sparsr.ChoiceError, ValueError, "threads: expected 1 or more, found 0", lambda: cpu(threads=0)),
    (sparsr.Unsupported, ValueError, "found NaN in green at x 3, y 2", lambda: cpu()(no_number())),
    (sparsr.Unsupported, ValueError, "the CPU engine", lambda: cpu(precision="f16")),
    (sparsr.NoAdapter, RuntimeError, "no device number 99", lambda: sparsr.Upscaler("edsrmini-x2", device=99)),
    (sparsr.OutOfMemory, MemoryError, "", lambda: cpu(memory=1)(picture((90, 90, 3)))),
    (sparsr.DeviceError, RuntimeError, "", lambda: cpu(changed(too_large), unusual=True)(picture((9, 9, 3)))),
    (sparsr.FileNotFound, FileNotFoundError, "no.pth", lambda: sparsr.load("no.pth")),
    (sparsr.FileNotFound, FileNotFoundError, "no model `edsr`: it is neither", lambda: sparsr.Upscaler("edsr")),
    (sparsr.FileError, OSError, "/", lambda: sparsr.load("/")),
]


@pytest.mark.parametrize(("kind", "builtin", "sentence", "call"), ERRORS, ids=lambda v: getattr(v, "__name__", None))
def test_errors_are_pythons_and_keep_the_sentence(kind, builtin, sentence, call):
    with pytest.raises(kind) as raised:
        call()
    assert type(raised.value) is kind and isinstance(raised.value, (sparsr.Error)) and isinstance(raised.value, builtin)
    assert sentence in str(raised.value) and len(str(raised.value)) > 10
    if isinstance(raised.value, OSError) and "neither" not in sentence:
        assert raised.value.errno


def test_warnings_are_in_pythons_log(caplog):
    with pytest.raises(sparsr.DeviceError):
        cpu(changed(too_large), unusual=True)(picture((200, 200, 3)))
    assert ("sparsr", 30) in [record[:2] for record in caplog.record_tuples]
    assert any(line.endswith("; tried again in smaller tiles") for line in caplog.messages)


def test_what_is_no_picture_is_a_type_error():
    upscaler = cpu()
    for image, sentence in [
        ("photo.png", "picture: expected an array, a PIL image or a tensor"),
        ([[1, 2], [3, 4]], "found builtins.list"),
        (np.zeros((4, 5, 3)), "expected samples of uint8, uint16 or float32, found float64"),
        (np.zeros((4, 5, 3), bool), "found bool"),
        (Image.new("CMYK", (4, 5)), "found CMYK: convert() it"),
    ]:
        with pytest.raises(TypeError) as raised:
            upscaler(image)
        assert sentence in str(raised.value)
    with pytest.raises(TypeError, match="expected a name, a path, bytes or a sparsr.Model, found <class 'int'>"):
        sparsr.Upscaler(7)


def test_a_gpu():
    """Where there is one, in software too: nearly the CPU engine's picture; and what is too large for it is said."""
    adapters = [device for device in sparsr.devices() if not device.refused]
    if not adapters:
        pytest.skip("there is no GPU, not even one in software")
    upscaler = sparsr.Upscaler("edsrmini-x2", device="gpu", precision="f32")
    array = picture((16, 18, 3))
    away = np.abs(upscaler(array).astype(int) - cpu()(array))
    assert upscaler.device != cpu().device and away.max() <= 1
