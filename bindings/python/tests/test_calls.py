"""What a call lets others do meanwhile, and how it ends early."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sparsr
from conftest import picture


@pytest.fixture(scope="module")
def upscaler():
    return sparsr.Upscaler("edsrmini-x2", device="cpu")


SMALL = picture((40, 50, 3))
# Would take minutes.
HUGE = np.zeros((3000, 3000, 3), np.uint8)


def ends_at_once(call, raised):
    begun = time.monotonic()
    with pytest.raises(raised):
        call()
    assert time.monotonic() - begun < 3


def test_python_goes_on_meanwhile(upscaler):
    """Another thread is never kept from going on for as long as a good part of a call."""
    turns, over = [], threading.Event()

    def count():
        while not over.is_set():
            turns.append(time.monotonic())

    counter = threading.Thread(target=count)
    array = picture((500, 500, 3))
    counter.start()
    begun = time.monotonic()
    upscaler(array)
    ended = time.monotonic()
    over.set()
    counter.join()
    meanwhile = [begun, *(turn for turn in turns if begun < turn < ended), ended]
    longest = max(later - turn for turn, later in zip(meanwhile, meanwhile[1:]))
    assert longest < (ended - begun) / 3, f"it stood for {longest:.3f} s of {ended - begun:.3f}"


@pytest.mark.parametrize("model", ["edsrmini-x2", "smsr-x4"])
def test_an_interrupt_ends_a_call(upscaler, model):
    expected = upscaler(SMALL)
    interrupted = upscaler if model == "edsrmini-x2" else sparsr.Upscaler(model, device="cpu")
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    ends_at_once(lambda: interrupted(HUGE), KeyboardInterrupt)
    timer.join()
    np.testing.assert_array_equal(upscaler(SMALL), expected)


def test_an_interrupt_ends_the_wait_for_another_call(upscaler):
    gone, under_way = threading.Event(), threading.Event()

    def progress(_):
        under_way.set()
        if gone.is_set():
            raise InterruptedError

    def other():
        with pytest.raises(InterruptedError):
            upscaler(HUGE, progress)

    thread = threading.Thread(target=other)
    thread.start()
    under_way.wait()
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    ends_at_once(lambda: upscaler(SMALL), KeyboardInterrupt)
    timer.join()
    gone.set()
    thread.join()


def test_progress(upscaler):
    seen, threads = [], set()

    def progress(at):
        seen.append(at)
        threads.add(threading.get_ident())

    tiled = sparsr.Upscaler("edsrmini-x2", device="cpu", tile=32)
    array = picture((130, 130, 3))
    large = tiled(array, progress=progress)
    np.testing.assert_array_equal(large, tiled(array))
    assert threads == {threading.get_ident()}
    shares = [at.share for at in seen]
    assert shares == sorted(shares) and shares[-1] == 1 and len(set(shares)) > 2
    last = seen[-1]
    assert (last.phase, last.phases, last.tile, last.tiles, last.seconds_left) == (0, 1, 25, 25, 0)
    assert "100 %" in repr(last)


def test_what_progress_raises_ends_the_call(upscaler):
    expected = upscaler(SMALL)

    class Enough(Exception):
        pass

    def enough(_):
        raise Enough

    ends_at_once(lambda: upscaler(HUGE, enough), Enough)
    with pytest.raises(Enough):
        upscaler(SMALL, enough)  # at the end, if not before
    with pytest.raises(TypeError):
        upscaler(SMALL, 7)
    np.testing.assert_array_equal(upscaler(SMALL), expected)


def test_threads_take_turns(upscaler):
    arrays = [picture((20 + at, 30, 3), seed=at) for at in range(8)]
    expected = [upscaler(array) for array in arrays]
    with ThreadPoolExecutor(4) as threads:
        for large, one in zip(threads.map(upscaler, arrays), expected):
            np.testing.assert_array_equal(large, one)


def run(code, **variables):
    command, environment = [sys.executable, "-c", textwrap.dedent(code)], {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_is_told_and_does_not_hang():
    said = run(
        """
        import os, sparsr, numpy
        upscaler = sparsr.Upscaler("edsrmini-x2", device="cpu")
        upscaler(numpy.zeros((8, 8, 3), numpy.uint8))
        if os.fork() == 0:
            try:
                upscaler(numpy.zeros((8, 8, 3), numpy.uint8))
            except RuntimeError as error:
                print(error, flush=True)
            os._exit(0)
        os.wait()
        """
    )
    assert "this process was forked" in said and "spawn" in said


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_threads_bound_what_is_taken():
    """Of a limit of one there is who waits for the work, who computes, and who reads or writes rows."""
    said = run(
        """
        import os, sparsr, numpy
        upscaler = sparsr.Upscaler("edsrmini-x2", device="cpu", threads=1)
        most = 0
        def progress(_):
            global most
            most = max(most, len(os.listdir("/proc/self/task")))
        before = len(os.listdir("/proc/self/task"))
        upscaler(numpy.zeros((150, 150, 3), numpy.uint8), progress)
        print(most - before)
        """,
        RAYON_NUM_THREADS="9",
    )
    assert int(said) <= 3


def test_importing_is_quick():
    """By the processor's time: what else a machine does is not the wheel's."""
    code = "import time; t = time.process_time(); import sparsr; print(time.process_time() - t)"
    said = [float(run(code)) for _ in range(5)]
    assert min(said) < 0.1, said
    print(f"import sparsr: {1000 * min(said):.0f} ms")


def test_an_upscaler_is_not_pickled(upscaler):
    with pytest.raises(TypeError):
        pickle.dumps(upscaler)
