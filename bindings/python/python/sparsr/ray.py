"""Pictures enlarged by many machines: a class for Ray Data's `map_batches`.

    data.map_batches(sparsr.ray.Upscale, fn_constructor_kwargs={"model": "smsr-x4"}, concurrency=8, batch_size=4)

One Upscaler is made for each actor, on the device that Ray gave the actor, with as many threads as Ray gave it CPUs.
A picture that cannot be enlarged is a row with a sentence; a device that fails is an error. What comes out does not
depend on how pictures are put together into batches; on the CPU engine of processors of one kind it is the same to the
last bit wherever it was made.
"""

import io
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Error, NoAdapter, Upscaler, devices
from ._errors import DeviceError

Batch = dict[str, Any]


class Upscale:
    """Enlarges the pictures of a column into another.

    model    a built-in network's name, a checkpoint's bytes, or its path, which then is the same on every node
    column   the pictures: arrays of rows × columns, or × 1, 3 or 4, of uint8, uint16 or float32; or files' bytes, which
             PIL reads
    output   the column of enlarged pictures: rows × columns × channels, 0 × 0 × 3 where there is none
    error    the column of sentences, empty where all is well
    device   as of an Upscaler; None is what Ray gave: the GPU of that number, else the CPU
    threads  as of an Upscaler; None is as many as Ray gave CPUs
    options  precision, sparsity, tile, memory, unusual, effort, ladder: as of an Upscaler
    """

    def __init__(
        self,
        model: str | PathLike[str] | bytes | None = None,
        *,
        column: str = "image",
        output: str = "upscaled",
        error: str = "error",
        device: str | int | None = None,
        threads: int | None = None,
        **options: Any,
    ) -> None:
        self._again = partial(
            Upscale, model, column=column, output=output, error=error, device=device, threads=threads, **options
        )
        self._column, self._output, self._error = column, output, error
        device = assigned_device() if device is None else device
        threads = assigned_threads() if threads is None else threads
        self._upscaler = Upscaler(model, device=device, threads=threads, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        """The arguments travel; the device is opened anew where they arrive."""
        return self._again, ()

    def __call__(self, batch: Batch) -> Batch:
        """The batch with two columns more."""
        rows = [self._enlarged(picture) for picture in batch[self._column]]
        large, sentences = [large for large, _ in rows], [sentence for _, sentence in rows]
        return {**batch, self._output: _column(large), self._error: np.array(sentences)}

    def _enlarged(self, picture: Any) -> tuple[NDArray[Any], str]:
        try:
            array = _decoded(picture) if isinstance(picture, bytes) else np.asarray(picture)
            large = self._upscaler(array)
            return large.reshape(*large.shape[:2], -1), ""
        except (DeviceError, NoAdapter):
            raise
        except (Error, TypeError, OSError) as error:
            return np.zeros((0, 0, 3), np.uint8), str(error)


def _decoded(data: bytes) -> NDArray[Any]:
    from PIL import Image

    from ._pictures import _of_pil

    with Image.open(io.BytesIO(data)) as image:
        return _of_pil(image)[0]


def _column(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """A column of arrays whose shapes differ."""
    column = np.empty(len(arrays), object)
    for at, array in enumerate(arrays):
        column[at] = array
    return column


def assigned_device() -> str | int:
    """What Ray gave this worker: "cpu", or a GPU by its number among those that sparsr finds.

    Ray numbers GPUs as CUDA does, and tells by CUDA_VISIBLE_DEVICES, which Vulkan does not heed. Number n is therefore
    taken for the n-th GPU that Vulkan finds. Where a node's GPUs are alike each worker then has one of its own, though
    perhaps not the one that CUDA calls so.
    """
    import ray

    if not ray.is_initialized():
        return "auto"
    given = [str(number) for number in ray.get_runtime_context().get_accelerator_ids().get("GPU", [])]
    if not given:
        return "cpu"
    gpus = [device for device in devices() if device.kind != "software" and device.refused is None]
    # A card that two interfaces show is one card.
    gpus = [device for device in gpus if device.backend == gpus[0].backend]
    if not given[0].isdigit() or int(given[0]) >= len(gpus):
        found = ", ".join(device.name for device in gpus) or "none"
        raise NoAdapter(f"Ray gave the GPU {given[0]}: expected the number of one that sparsr finds, found {found}")
    return gpus[int(given[0])].index


def assigned_threads() -> int | None:
    """As many as Ray gave CPUs, and at least one; outside of Ray no limit."""
    import ray

    if not ray.is_initialized():
        return None
    return max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))
