# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""Measures disks against nbdkit, qemu-nbd and qemu-img, in turns, with contents checked in the runs that are timed.

Prints a table, with the command line of each peer, and then one line of JSON for each row.
"""

import argparse, json, mmap, os, random, shutil, signal, statistics, subprocess, sys, tempfile
from disk_images import GIB, Images
from disk_peer import Failed
from disk_rows import REQUESTS
from disk_work import WORK

# More than any side takes in one run.
MEMORY = 3 * GIB


def parse(arguments):
    parser = argparse.ArgumentParser(prog="Scripts/bench disk", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="how often each side is measured (9)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of less, to see that it works")
    parser.add_argument("--only", metavar="TEXT", help="the rows whose name contains this")
    parser.add_argument("--command", metavar="FILE", help="a fermata that is built already")
    parser.add_argument("--folder", help="where the disks lie (the folder for temporary files)")
    parser.add_argument("--json", metavar="FILE", help="where the lines of JSON go (standard output)")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds = 3
    if options.folder and not os.path.isdir(options.folder):
        parser.error(f"--folder: there is no folder {options.folder}; make it first")
    if options.rounds < 2:
        parser.error("--rounds: there must be two at least")
    return options


def say(text):
    print(text, file=sys.stderr, flush=True)


def build(root):
    subprocess.run([f"{root}/Scripts/packages", "--test"], check=True, stdout=sys.stderr)
    command = ["swift", "build", "--configuration", "release", "--quiet", "--product", "fermata"]
    subprocess.run(command, cwd=root, check=True, stdout=sys.stderr)
    return f"{root}/.build/release/fermata"


def interval(ratios, source):
    """The 2.5th and 97.5th percentile of their median, from resampled pairs."""
    medians = sorted(statistics.median(source.choices(ratios, k=len(ratios))) for _ in range(4000))
    return [round(medians[int(len(medians) * part)], 3) for part in (0.025, 0.975)]


def summarize(row, samples, source):
    ours, peer = samples["ours"], samples.get("peer")
    line = {"row": row.name, "unit": row.unit, "ours": round(statistics.median(ours), 3), "samples": samples}
    if peer:
        # A time is better when it is shorter.
        upper, lower = (ours, peer) if row.more_is_better else (peer, ours)
        line["peer"] = round(statistics.median(peer), 3)
        # A pair is measured one after the other: what makes the machine slow for a while meets both of it.
        ratios = [one / other for one, other in zip(upper, lower)]
        line["ratio"] = round(statistics.median(ratios), 3)
        line["spread"] = interval(ratios, source)
        met = line["spread"][0] if row.by_interval else line["ratio"]
        line["atLeast"], line["met"] = row.at_least, met >= row.at_least if row.at_least else None
    else:
        line["spread"] = [round(min(ours), 3), round(max(ours), 3)]
        line["atMost"], line["met"] = row.at_most, line["ours"] <= row.at_most
    line["command"], line["peerCommand"] = row.commands()
    return line


def shown(lines):
    width = max(len(line["row"]) for line in lines) + 2
    text = [f"{'':<{width}}{'ours':>12}{'peer':>12}{'':>8}{'ratio':>8}  {'95 % interval':<17}{'bound':>7}"]
    for line in lines:
        numbers = f"{line['row']:<{width}}{line['ours']:>12,.1f}"
        if "peer" in line:
            spread = f"[{line['spread'][0]:.2f}, {line['spread'][1]:.2f}]"
            bound = f">= {line['atLeast']}" if line["atLeast"] else ""
            numbers += f"{line['peer']:>12,.1f}{line['unit']:>8}{line['ratio']:>8.2f}  {spread:<17}{bound:>7}"
        else:
            spread = f"[{line['spread'][0]:.1f}, {line['spread'][1]:.1f}]"
            numbers += f"{'':>12}{line['unit']:>8}{'':>8}  {spread:<17}{'<= ' + str(line['atMost']):>7}"
        text.append(numbers + ("" if line["met"] is None else "  met" if line["met"] else "  MISSED"))
    text.append("")
    text += [f"{line['row']}: {line['peerCommand']}" for line in lines if line["peerCommand"]]
    return "\n".join(text)


def take_memory():
    """Takes as much memory as a side needs, and frees it.

    A machine that is itself virtual gives free memory back to its host; who takes it again waits for it, and that is to
    be neither side.
    """
    with mmap.mmap(-1, MEMORY) as memory:
        for page in range(0, MEMORY, mmap.PAGESIZE):
            memory[page] = 1


def measure(options, images):
    """Measures every row in turns: each round has all rows, and each row all its sides."""
    rows = [kind for kind in REQUESTS + WORK if not options.only or options.only in kind.name]
    if not rows:
        sys.exit(f"bench: no row's name contains '{options.only}'")
    ready, samples = [], {}
    for row in rows:
        missing = row.missing(images)
        if missing:
            say(f"{row.name}: left out, because {missing}")
            continue
        say(f"{row.name}: making its disks")
        row.prepare(images)
        ready.append(row)
        samples[row.name] = {side: [] for side in row.sides}
    for number in range(options.rounds):
        for row in ready:
            for turn in range(number * row.turns, (number + 1) * row.turns):
                # Who begins changes, so that neither always finds the machine as the other left it.
                sides = list(row.sides) if turn % 2 == 0 else list(reversed(row.sides))
                for side in sides:
                    # What was written and removed before is the disk's business until then, and nobody's here.
                    os.sync()
                    row.warm(side, images)
                    if row.makes_files:
                        take_memory()
                    samples[row.name][side].append(row.measure(side, images, seed=turn + 1))
            figures = ", ".join(
                f"{side} {statistics.median(samples[row.name][side][-row.turns:]):.1f}" for side in row.sides)
            say(f"{number + 1} of {options.rounds}: {row.name}: {figures} {row.unit}")
    return ready, samples


def main(root, arguments):
    options = parse(arguments)
    # So that no server and no disk is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    command = options.command or build(root)
    folder = os.path.realpath(tempfile.mkdtemp(prefix="fermata-bench-", dir=options.folder))
    load = os.getloadavg()[0]
    try:
        images = Images(folder, os.path.realpath(command), options.quick)
        with images:
            rows, samples = measure(options, images)
        source = random.Random(1)
        lines = [summarize(row, samples[row.name], source) for row in rows]
    except Failed as error:
        sys.exit(f"bench: no figure counts: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{os.cpu_count()} cores, Linux {os.uname().release}; {options.rounds} rounds in turns, contents checked; "
          f"load {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end")
    print(shown(lines), flush=True)
    text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
    if options.json:
        with open(options.json, "w") as file:
            file.write(text)
    else:
        print("\n" + text, end="")
    if any(line["met"] is False for line in lines):
        sys.exit(1)
