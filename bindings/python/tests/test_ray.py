"""sparsr.ray.Upscale: alone, in a job, and on a cluster of two nodes of which one is killed in the middle."""

import io
import pickle
import time

import numpy as np
import pytest
import sparsr
from conftest import WEIGHTS, picture
from PIL import Image

ray = pytest.importorskip("ray", reason="Ray is not installed (SPARSR_RAY=1 bindings/python/check.sh installs it)")

import sparsr.ray  # noqa: E402

MODEL = "edsrmini-x2"


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png")
    return file.getvalue()


def column(*values):
    made = np.empty(len(values), object)
    made[:] = values
    return made


def test_without_ray_and_pickled():
    arrays = [picture((12, 17, 3)), picture((9, 8)), picture((9, 8, 4), np.uint16)]
    expected = sparsr.Upscaler(MODEL, device="cpu")
    for upscale in (
        sparsr.ray.Upscale(MODEL, device="cpu", threads=1),
        pickle.loads(pickle.dumps(sparsr.ray.Upscale((WEIGHTS / f"{MODEL}.safetensors").read_bytes(), device="cpu"))),
    ):
        batch = upscale({"image": column(*arrays), "name": np.array(["a", "b", "c"])})
        assert list(batch["name"]) == ["a", "b", "c"] and list(batch["error"]) == ["", "", ""]
        for large, array in zip(batch["upscaled"], arrays):
            assert large.ndim == 3
            np.testing.assert_array_equal(large, expected(array).reshape(large.shape))


def test_errors_are_of_rows():
    good = picture((12, 17, 3))
    upscale = sparsr.ray.Upscale(MODEL, device="cpu", column="data", output="large", error="why")
    rows = upscale({"data": column(png(good), b"nothing", good, np.zeros((4, 5, 2), np.uint8), None, np.zeros((4, 4)))})
    found = [(large.shape, sentence.split(",")[0][:40]) for large, sentence in zip(rows["large"], rows["why"])]
    assert found[0] == found[2] == ((24, 34, 3), "")
    assert all(shape == (0, 0, 3) and sentence for shape, sentence in (found[1], *found[3:])), found


def test_what_is_everybodys_error_is_raised():
    with pytest.raises(FileNotFoundError):
        sparsr.ray.Upscale("no.pth", device="cpu")
    with pytest.raises(sparsr.NoAdapter):
        sparsr.ray.Upscale(MODEL, device=99)


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 150 << 20})
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_node_that_is_killed_loses_no_picture(cluster, tmp_path):
    begun = tmp_path / "begun"
    begun.touch()

    class Slow(sparsr.ray.Upscale):
        """Tells where it is, and takes its time."""

        def __call__(self, batch):
            with begun.open("a") as file:
                file.write("".join(f"{at}\n" for at in batch["id"]))
            time.sleep(0.5)
            batch = super().__call__(batch)
            node = ray.get_runtime_context().get_node_id()
            return {**batch, "node": np.array([node] * len(batch["id"]))}

    other = cluster.add_node(num_cpus=1, object_store_memory=150 << 20)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    arrays = [picture((20 + at, 30, 3), seed=at) for at in range(24)]
    data = ray.data.from_items([{"id": at, "image": array} for at, array in enumerate(arrays)], override_num_blocks=12)
    enlarged = data.map_batches(
        Slow, fn_constructor_kwargs={"model": MODEL}, batch_size=2, num_cpus=0.5, concurrency=2
    )
    rows, nodes, killed = [], set(), False
    for row in enlarged.iter_rows():
        rows.append(row)
        nodes.add(row["node"])
        if not killed and row["node"] == other.node_id:
            cluster.remove_node(other, allow_graceful=False)
            killed = True
    assert killed, f"the other node had no part in it: {nodes}"
    assert sorted(row["id"] for row in rows) == list(range(24)), "every picture once"
    expected = sparsr.Upscaler(MODEL, device="cpu")
    for row in rows:
        assert row["error"] == ""
        np.testing.assert_array_equal(row["upscaled"], expected(arrays[row["id"]]))
    assert any(row["node"] != other.node_id for row in rows)
    assert len(begun.read_text().split()) > 24, "what was under way on the node that was killed was begun anew"
