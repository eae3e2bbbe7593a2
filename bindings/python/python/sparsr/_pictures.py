"""What a picture is to Python, and the same kind of thing back.

    array    rows × columns, or rows × columns × 1, 3 or 4
    PIL      an image of mode RGB, RGBA, L, LA, P, 1 or I;16
    tensor   whatever exports its memory by DLPack: channels × rows × columns, perhaps of several pictures

All go through `enlarge`, from array to array.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._errors import ShapeError

if TYPE_CHECKING:
    from PIL.Image import Image

Enlarge = Callable[[NDArray[Any]], NDArray[Any]]

KINDS = "an array, a PIL image or a tensor that exports its memory by DLPack"


def enlarged(image: Any, enlarge: Enlarge) -> Any:
    """The enlarged picture, of the kind that went in."""
    if isinstance(image, np.ndarray):
        return enlarge(_native(image))
    if _is_pil(image):
        return _enlarged_pil(image, enlarge)
    if hasattr(image, "__dlpack__"):
        return _enlarged_tensor(image, enlarge)
    raise TypeError(f"picture: expected {KINDS}, found {_kind(image)}")


def colours(image: Any) -> NDArray[Any]:
    """Rows × columns × 3 of a picture, of 8 or 16 bits, without alpha."""
    if _is_pil(image):
        array = _of_pil(image)[0]
    elif isinstance(image, np.ndarray):
        array = _native(image)
    elif hasattr(image, "__dlpack__"):
        array = _of_tensor(image)
        if array.ndim == 4 and len(array) == 1:
            array = array[0]
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    else:
        raise TypeError(f"picture: expected {KINDS}, found {_kind(image)}")
    if array.dtype == np.float32:
        if not np.isfinite(array).all():
            raise ShapeError("picture: expected finite numbers, found others")
        array = np.rint(array.clip(0, 1) * 65535).astype(np.uint16)
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim == 3 and array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    return array[:, :, :3] if array.ndim == 3 and array.shape[2] == 4 else array


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """In the machine's order of bytes."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _kind(image: object) -> str:
    return f"{type(image).__module__}.{type(image).__qualname__}"


# PIL


def _is_pil(image: object) -> bool:
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def _enlarged_pil(image: "Image", enlarge: Enlarge) -> "Image":
    from PIL import Image

    array, mode = _of_pil(image)
    if mode == "LA":
        enlarged = _gray(enlarge(array * np.uint16(257)))
    else:
        enlarged = enlarge(array)
    large = Image.fromarray(enlarged)
    # What says how the numbers are to be read. All else of `info` is about the file, or about the size that was.
    large.info = {key: image.info[key] for key in ("icc_profile", "exif") if key in image.info}
    return large


def _gray(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Gray and alpha in 8 bits of RGBA in 16. Colours become gray before they are rounded, as the program does it."""
    gray = (array[:, :, :3].sum(axis=2, dtype=np.uint32, keepdims=True) + 1) // 3
    return ((np.concatenate([gray, array[:, :, 3:]], axis=2) + 128) // 257).astype(np.uint8)


def _of_pil(image: "Image") -> tuple[NDArray[Any], str]:
    """An array, and the mode of the image that is made of the enlarged one."""
    mode = image.mode
    if mode.startswith("I;16"):
        return _native(np.asarray(image)), "I;16"
    if mode not in ("RGB", "RGBA", "L", "LA", "P", "PA", "1"):
        expected = "an image of mode RGB, RGBA, L, LA, P, 1 or I;16"
        raise TypeError(f"picture: expected {expected}, found {mode}: convert() it to one of them")
    if mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return np.asarray(image.convert("RGBA")), "LA" if mode in ("L", "LA") else "RGBA"
    mode = {"P": "RGB", "1": "L"}.get(mode, mode)
    return np.asarray(image.convert(mode)), mode


# DLPack


def _enlarged_tensor(image: Any, enlarge: Enlarge) -> Any:
    array = _of_tensor(image)
    if array.ndim == 2:
        large = enlarge(array)
    elif array.ndim == 3:
        large = _planes(enlarge(array.transpose(1, 2, 0)))
    else:
        large = np.stack([_planes(enlarge(one.transpose(1, 2, 0))) for one in array])
    return _importer(image)(large)


def _planes(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def _of_tensor(image: Any) -> NDArray[Any]:
    try:
        array = np.from_dlpack(image)
    except (BufferError, RuntimeError, TypeError) as error:
        expected = "a tensor in the CPU's memory, of a type that NumPy has"
        raise TypeError(f"picture: expected {expected}, found {_kind(image)}: {error}") from error
    if array.ndim not in (2, 3, 4) or array.ndim > 2 and array.shape[-3] not in (1, 3, 4) or array.shape[0] == 0:
        expected = "expected rows and columns behind no, 1, 3 or 4 channels, perhaps behind pictures"
        raise ShapeError(f"picture: {expected}, found the shape {list(array.shape)}")
    return array


def _importer(image: Any) -> Callable[[NDArray[Any]], Any]:
    """What makes a tensor of the same library of an array, without a copy."""
    if hasattr(image, "__array_namespace__"):
        library = image.__array_namespace__()
    else:
        library = sys.modules[type(image).__module__.partition(".")[0]]
    importer: Callable[[NDArray[Any]], Any] = getattr(library, "from_dlpack", np.asarray)
    return importer
