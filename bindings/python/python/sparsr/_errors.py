"""What can go wrong, grouped by who can mend it.

Each is an Error and what Python calls such a thing. Its text is a sentence: what was expected, what was found, where.
"""


class Error(Exception):
    """Whatever sparsr says of a call that failed."""


class WeightsError(Error, ValueError):
    """A checkpoint that cannot be read, or is no network's, or changes a picture's colours. Name another."""


class ShapeError(Error, ValueError):
    """Sizes that do not fit together."""


class ChoiceError(Error, ValueError):
    """A word that names no choice."""


class Unsupported(Error, ValueError):
    """What this device or version cannot do, or a picture that holds what is no number."""


class LimitsError(Error, ValueError):
    """A picture that is too large for the device in one piece."""


class NoAdapter(Error, RuntimeError):
    """There is no such device, or none that can be used."""


class DeviceError(Error, RuntimeError):
    """The device was lost, or made what is not a number. Nothing that it made can be trusted."""


class OutOfMemory(Error, MemoryError):
    """Too little memory. Smaller tiles need less."""


class Diverged(Error, FloatingPointError):
    """A training left the finite numbers. Its parameters are those before this iteration."""


class FileError(Error, OSError):
    """The operating system refused a file. `errno` says why."""


class FileNotFound(FileError, FileNotFoundError):
    """There is no such file, and no built-in network of this name."""
