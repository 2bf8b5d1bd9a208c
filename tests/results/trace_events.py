"""The rules of the Trace Event Format, as far as hocket uses it; written from its specification alone.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

KEYS = {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args", "id", "bp", "cname"}
TOP = {"traceEvents", "displayTimeUnit", "otherData", "systemTraceEvents", "stackFrames", "samples", "metadata"}
METADATA = {
    "process_name": {"name": str},
    "process_labels": {"labels": str},
    "process_sort_index": {"sort_index": int},
    "thread_name": {"name": str},
    "thread_sort_index": {"sort_index": int},
}
COLOURS = {
    "thread_state_uninterruptible", "thread_state_iowait", "thread_state_running", "thread_state_runnable",
    "thread_state_sleeping", "thread_state_unknown", "background_memory_dump", "light_memory_dump",
    "detailed_memory_dump", "vsync_highlight_color", "generic_work", "good", "bad", "terrible", "black", "grey",
    "white", "yellow", "olive", "rail_response", "rail_animation", "rail_idle", "rail_load", "startup",
    "heap_dump_stack_frame", "heap_dump_object_type", "heap_dump_child_node_arrow", "cq_build_running",
    "cq_build_passed", "cq_build_failed", "cq_build_abandoned", "cq_build_attempt_runnig",
    "cq_build_attempt_passed", "cq_build_attempt_failed",
}  # fmt: skip


class BrokenRuleError(AssertionError):
    """A rule is broken."""


def need(true, what, event):
    if not true:
        raise BrokenRuleError(f"{what}: {event}")


def validate(path: Path) -> list[dict]:
    """The events of the file, if it keeps the rules; numbers are decimals, exactly as written."""

    def refuse(token):
        raise BrokenRuleError(f"{token} is no JSON")

    content = json.loads(Path(path).read_text("utf-8"), parse_float=Decimal, parse_constant=refuse)
    need(isinstance(content, dict) and isinstance(content.get("traceEvents"), list), "an object with traceEvents", "")
    need(set(content) <= TOP, "top-level keys", set(content) - TOP)
    need(content.get("displayTimeUnit") in ("ms", "ns"), "displayTimeUnit", content.get("displayTimeUnit"))
    events = content["traceEvents"]
    for event in events:
        each(event)
    nesting(events)
    names(events)
    flows(events)
    counters(events)
    return events


def each(event):
    """Rules for a single event."""
    need(isinstance(event, dict) and set(event) <= KEYS, "known keys", event)
    for key in ("name", "ph"):
        need(isinstance(event.get(key), str) and event[key], key, event)
    for key in ("pid", "tid"):
        need(type(event.get(key)) is int and event[key] >= 0, key, event)
    need(event["ph"] in "XMstfC", "a phase that is used here", event)
    need(isinstance(event.get("ts"), Decimal | int) and event["ts"] >= 0, "ts", event)
    need(Decimal(event["ts"]).as_tuple().exponent >= -3, "nanoseconds at most", event)
    need("args" not in event or isinstance(event["args"], dict), "args are an object", event)
    need("cname" not in event or event["cname"] in COLOURS, "a colour that trace viewer has", event)
    need(("dur" in event) == (event["ph"] == "X"), "dur in complete events only", event)
    need("bp" not in event or (event["ph"] == "f" and event["bp"] == "e"), "bp", event)
    if event["ph"] == "X":
        need(isinstance(event["dur"], Decimal | int) and event["dur"] >= 0, "dur", event)
    if event["ph"] == "M":
        known = METADATA.get(event["name"])
        need(known is not None and set(event["args"]) == set(known), "metadata", event)
        need(all(isinstance(event["args"][key], kind) for key, kind in known.items()), "metadata's value", event)
    if event["ph"] in "stf":
        need(
            isinstance(event.get("id"), int | str) and isinstance(event.get("cat"), str), "id and cat of a flow", event
        )
    if event["ph"] == "C":
        need(event["args"], "a counter counts something", event)
        need(all(isinstance(v, Decimal | int) for v in event["args"].values()), "a counter's values", event)


def threads(events):
    table = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            table[event["pid"], event["tid"]].append(event)
    return table


def nesting(events):
    """Slices of a thread lie beside or inside each other, never across."""
    for own in threads(events).values():
        open_ends = []
        for event in sorted(own, key=lambda e: (e["ts"], -e["dur"])):
            begin, end = event["ts"], event["ts"] + event["dur"]
            while open_ends and open_ends[-1] <= begin:
                open_ends.pop()
            need(not open_ends or end <= open_ends[-1], "slices overlap", event)
            open_ends.append(end)


def names(events):
    """Every process and every thread that has slices has exactly one name."""
    given = defaultdict(int)
    for event in events:
        if event["ph"] == "M" and event["name"] == "thread_name":
            given[event["pid"], event["tid"]] += 1
    for thread in threads(events):
        need(given[thread] == 1, "a name of its own", thread)
    processes = [event["pid"] for event in events if event["ph"] == "M" and event["name"] == "process_name"]
    need(sorted(processes) == sorted({event["pid"] for event in events}), "processes have one name each", processes)


def flows(events):
    """One start, then steps, then one end, in the order of time; each within a slice of its thread."""
    slices = {thread: sorted((e["ts"], e["ts"] + e["dur"]) for e in own) for thread, own in threads(events).items()}
    table = defaultdict(list)
    for event in events:
        if event["ph"] in "stf":
            table[event["cat"], event["name"], event["id"]].append(event)
            inside = any(
                a <= event["ts"] <= b for a, b in near(slices.get((event["pid"], event["tid"]), []), event["ts"])
            )
            need(inside, "a flow's end lies in a slice", event)
    for key, own in table.items():
        own.sort(key=lambda e: (e["ts"], "stf".index(e["ph"])))
        phases = "".join(e["ph"] for e in own)
        need(phases.startswith("s") and phases.endswith("f") and set(phases[1:-1]) <= {"t"}, f"flow {key}", phases)


def near(slices, ts):
    """The slices that could hold ``ts``: at most two levels deep."""
    from bisect import bisect_right

    at = bisect_right(slices, (ts, Decimal("Infinity")))
    return slices[max(0, at - 3) : at]


def counters(events):
    """Each counter is written in the order of time."""
    last = {}
    for event in events:
        if event["ph"] == "C":
            key = event["pid"], event["name"]
            need(last.get(key, -1) <= event["ts"], "a counter's time", event)
            last[key] = event["ts"]
