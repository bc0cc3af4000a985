"""The table of `scripts/hostile.sh`, made of the reports in a folder."""

import json
import re
import sys
from pathlib import Path

folder, kinds = Path(sys.argv[1]), sys.argv[2:]


def gain(report, name):
    gain = report["hostile"]["gains"][name]
    return f"{gain['gain_percent']:+.1f} ± {gain['uncertainty_percent']:.1f}" if gain else "-"


def both(figure, of=lambda told: told):
    before, during = figure["before"], figure["during"]
    if before is None or during is None:
        return "-"
    before, during = of(before), of(during)
    digits = 0 if isinstance(before, int) else 1
    return f"{before:.{digits}f} → {during:.{digits}f}"


def answer(hostile):
    told, ends = hostile["answer"], {}
    for end in told["closed"]:
        ends[label(end)] = ends.get(label(end), 0) + end["clients"]
    parts = [f"{count:,} × {name}" for name, count in ends.items()]
    if hostile["hostile_bot_seconds"] == 0:
        parts.insert(0, f"of {told['attempts']:,} attempts {told['admitted']:,} let in")
    elif told["substituted"]:
        parts.append(f"{told['substituted']:,} ticks on a substitute")
    return ", ".join(parts) or "none"


def label(end):
    """The close code's name, or what was said without one."""
    named = re.search(r"([A-Z][A-Z_]+) \(\d+\)", end["why"])
    if named:
        return f"`{named[1]}`"
    return "refused by QUIC" if "refuses connections" in end["why"] else end["why"]

print("| kind | metres/s, % | shots/s, % | hits/s, % | hits/shot, % | others: input to ack, p99 ms | input to visible, p99 ms | snapshots lost | server's tick, mean µs | answer |")
print("|---|---|---|---|---|---|---|---|---|---|")
seconds = {}
for kind in kinds:
    wander, fight = (json.loads((folder / f"{kind}-{brain}.json").read_text()) for brain in ("wander", "fight"))
    hostile, others = fight["hostile"], fight["hostile"]["others"]
    seconds[kind] = [f"{report['hostile']['hostile_bot_seconds']:.0f}" for report in (wander, fight)]
    cells = [
        f"`{kind}`",
        gain(wander, "metres_per_s"),
        gain(fight, "shots_per_s"),
        gain(fight, "hits_per_s"),
        gain(fight, "hits_per_shot"),
        both(others["input_to_ack_ms"], lambda told: told["p99"]),
        both(others["input_to_visible_ms"], lambda told: told["p99"]),
        both(others["snapshots_lost"]),
        both(hostile["server"]["tick_us"], lambda told: round(told["mean"])),
        answer(hostile),
    ]
    print("| " + " | ".join(cells) + " |")
print()
print("hostile bot seconds (wander, fight): " + "; ".join(f"{kind} {', '.join(told)}" for kind, told in seconds.items()))
faults = [name for kind in kinds for name in (f"{kind}-wander", f"{kind}-fight")
          if not json.loads((folder / f"{name}.json").read_text())["bots"]["valid"]]
print("runs in which the bots were late: " + (", ".join(faults) or "none"))
