#!/usr/bin/env python3
"""easel and OpenVINO side by side: guided steps of SD1.5's U-Net at 512x512, taken in turn in one run, so that both see the same
machine; then what each of easel's operators reaches of the greatest rate that a product reached here."""
import argparse, datetime, os, pathlib, statistics, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from bench import device  # noqa: E402

WORK = 1.606e12  # operations of a guided step at 512x512


class Runner:
    """A program that takes a step for each line it reads."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = self.answer()

    def answer(self):
        line = self.process.stdout.readline().strip()
        if not line:
            sys.exit(f"bench-peers: '{self.process.args[0]}' ended before its answer; its message stands above")
        return line

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.answer())


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bin", type=pathlib.Path, required=True)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--type", choices=["bf16", "f32"], action="append", help="both by default")
    arguments.add_argument("--no-operators", action="store_true")
    arguments.add_argument("--write", action="store_true", help="append the table to bench/RESULTS.md")
    options = arguments.parse_args()
    threads = len(os.sched_getaffinity(0))
    rows = []
    for kind in options.type or ["bf16", "f32"]:
        easel = Runner([options.bin / "bench_step", "bfloat16" if kind == "bf16" else "float", "--on-request", "--no-vae"])
        other = Runner([sys.executable, HERE / "openvino_step.py", "--type", kind, "--threads", str(threads)])
        pairs = [(easel.step(), other.step()) for _ in range(options.rounds)]
        for runner in (easel, other):
            runner.process.stdin.close()
            runner.process.wait()
        mine, theirs = (statistics.median(column) for column in zip(*pairs))
        ratio = statistics.median(b / a for a, b in pairs)
        rows.append((f"guided step 512x512, {kind}", f"{mine:.2f} s ({WORK / mine / 1e9:.0f} GFLOP/s)",
                     f"{theirs:.2f} s ({WORK / theirs / 1e9:.0f} GFLOP/s)", f"{ratio:.2f}"))
        print(f"{rows[-1][0]}: easel {rows[-1][1]}, {other.name} {rows[-1][2]}, ratio {rows[-1][3]}", flush=True)
        print("  " + "  ".join(f"{a:.2f}/{b:.2f}" for a, b in pairs), flush=True)
    operators = ""
    if not options.no_operators:
        operators = subprocess.run([options.bin / "bench_kernels", "BFloat16"], check=True, text=True, stdout=subprocess.PIPE).stdout
        print(operators)
    if options.write:
        with open(HERE.parent / "RESULTS.md", "a") as results:
            results.write(f"\n## {datetime.date.today()}, beside OpenVINO (`make bench-peers`), {device()}\n\n")
            results.write(f"Medians of {options.rounds} steps taken in turn; the ratio is that of neighbouring steps.\n\n")
            results.write(f"| what | easel | {other.name} | OpenVINO / easel |\n|---|---|---|---|\n")
            results.writelines(f"| {' | '.join(row)} |\n" for row in rows)
            if operators:
                results.write(f"\n```\n{operators}```\n")


if __name__ == "__main__":
    main()
