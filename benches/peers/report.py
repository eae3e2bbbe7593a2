"""The record, in Markdown."""

import math
import os
import pathlib
import platform
import statistics


def print_facts(facts):
    print("| | |\n|---|---|")
    for name, fact in facts.items():
        print(f"| {name} | {fact} |")


def print_network(title, facts, candidates, verdicts, times, clock):
    """One table: who was timed, by the median of the clock that counts, then who was not, and why."""
    print(f"\n## {title}\n\n{' '.join(facts)}\n")
    counted = {candidate: [getattr(time, clock) for time in taken] for candidate, taken in times.items()}
    on_adapter = "sparsr bench" if find(counted, "sparsr bench") else "sparsr --sparsity auto"
    references = [find(counted, "sparsr --device cpu"), find(counted, on_adapter)]
    print(f"| engine | version | device | wall, s | processors, s | least to most | / sparsr CPU | / {on_adapter} "
          "| agreement |\n|---|---|---|---:|---:|---:|---:|---:|---|")
    for candidate in sorted(counted, key=lambda candidate: statistics.median(counted[candidate])):
        ratios = [ratio(counted[candidate], reference) for reference in references]
        verdict, columns = verdicts[candidate], time_columns(times[candidate], counted[candidate])
        print_row(candidate, verdict.version, *columns, *ratios, verdict.text())
    for candidate in candidates:
        if candidate not in counted:
            verdict = verdicts[candidate]
            print_row(candidate, verdict.version, *["–"] * 5, verdict.text())


def time_columns(times, counted):
    wall = statistics.median(time.wall for time in times)
    processor = statistics.median(time.processor for time in times)
    spread = f"{seconds_text(min(counted))} to {seconds_text(max(counted))}"
    return seconds_text(wall), seconds_text(processor), spread


def print_row(candidate, version, *columns):
    print(f"| {' | '.join([candidate.name, version or '–', candidate.device, *columns])} |", flush=True)


def find(counted, name):
    return next((seconds for candidate, seconds in counted.items() if candidate.name == name), None)


def ratio(seconds, reference):
    """The median of each round's ratio: what slows a whole round down cancels out."""
    if reference is None:
        return "–"
    return f"{statistics.median(a / b for a, b in zip(seconds, reference)):.2f}"


def seconds_text(seconds):
    if math.isnan(seconds):
        return "–"
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.3g}"


def decibels(psnr):
    return "same" if psnr == math.inf else f"{psnr:.1f} dB"


def load():
    return f"{os.getloadavg()[0]:.1f}"


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
