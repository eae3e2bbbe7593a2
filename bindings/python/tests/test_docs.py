"""The examples of docs/python.md, each in a folder that has the files it speaks of."""

import re
from pathlib import Path

import pytest
from conftest import WEIGHTS, picture
from PIL import Image

PAGE = Path(__file__).parents[3] / "docs" / "python.md"
BLOCKS = re.findall(r"^```(python[^\n]*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def prepare(folder):
    Image.fromarray(picture((40, 60, 3))).save(folder / "photo.png")
    (folder / "network.safetensors").write_bytes((WEIGHTS / "edsrmini-x2.safetensors").read_bytes())
    for pictures in ("Set5/HR", "photos"):
        (folder / pictures).mkdir(parents=True)
        for at in range(3):
            Image.fromarray(picture((60 + at, 50, 3), seed=at)).save(folder / pictures / f"{at}.png")


@pytest.mark.parametrize("kind, code", BLOCKS, ids=range(len(BLOCKS)))
def test_examples_run(kind, code, tmp_path, monkeypatch):
    if kind == "python ray":
        pytest.importorskip("ray", reason="Ray is not installed: its job is not run")
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, f"{PAGE.name}: {kind}", "exec"), {"__name__": "__main__"})
    if "photo-x2.png" in code:
        with Image.open(tmp_path / "photo-x2.png") as large:
            assert large.size == (120, 80)
    if kind == "python ray":
        assert sorted(path.name for path in (tmp_path / "large").iterdir()) == ["0.png", "1.png", "2.png"]


def test_there_are_examples():
    assert len(BLOCKS) >= 7
