# SPDX-License-Identifier: Apache-2.0
"""What a soak is judged by: slopes over the quiet ends of minutes, and answers against what was fed."""
import collections
import json
import math
import os
import statistics
import subprocess
import time

from world import SIZE_MS, WINDOW_MS, stamp

MB = 1 << 20


def fit(lives):
    """Least squares over (x, y) of several lives of the process: one slope, a height each.  Returns it and its standard error."""
    xx = xy = yy = 0.0
    n = 0
    for points in lives:
        if len(points) < 2:
            continue
        mx, my = statistics.fmean(p[0] for p in points), statistics.fmean(p[1] for p in points)
        xx += sum((x - mx) ** 2 for x, _ in points)
        xy += sum((x - mx) * (y - my) for x, y in points)
        yy += sum((y - my) ** 2 for _, y in points)
        n += len(points) - 1
    if xx == 0 or n < 2:
        return 0.0, math.inf
    slope = xy / xx
    return slope, math.sqrt(max(yy - slope * xy, 0) / (n - 1) / xx)


def floors(samples, column, warm_s):
    """The median of each minute's quiet end, by life; what is warming up is left out."""
    by_minute = collections.defaultdict(list)
    for s in samples:
        if s["quiet"] and s["life_s"] >= warm_s:
            by_minute[(s["life"], s["minute"])].append((s["time_s"], s[column]))
    lives = collections.defaultdict(list)
    for (life, _), points in sorted(by_minute.items()):
        lives[life].append((statistics.fmean(p[0] for p in points) / 3600, statistics.median(p[1] for p in points)))
    return list(lives.values())


def slopes(samples, judged, load, warm_s, found):
    """Under load RSS is told, not judged: it holds what was freed within the last ten seconds, some tens of MB and never twice the same."""
    for column, unit, limit, name in (("rss_bytes", MB, math.inf if load else 1.0, "memory (RSS), MB/h"), ("live_bytes", MB, 1.0, "memory (live), MB/h"),
                                      ("active_bytes", MB, 1.0, "memory (pages in use), MB/h"), ("weir_bytes", MB, 1.0, "memory (accounted), MB/h"),
                                      ("fds", 1, 1.0, "descriptors an hour"), ("threads", 1, 1.0, "threads an hour")):
        lives = floors(samples, column, warm_s)
        points = [y / unit for life in lives for _, y in life]
        slope, error = fit([[(x, y / unit) for x, y in life] for life in lives])
        if not points or math.isinf(error):
            print("soak: %-28s too short a run for a slope" % name)
            continue
        print("soak: %-28s slope %+.3f (standard error %.3f), from %.1f to %.1f" % (name, slope, error, min(points), max(points)))
        if judged and slope > limit and slope > 2 * error:
            found.append("%s: the slope is %.2f" % (name, slope))


def behind(samples, most, found):
    """Under load, what a fault kept from being read must have been read by the end of its minute."""
    quiet = collections.defaultdict(list)
    for s in samples:
        if s["quiet"]:
            quiet[(s["minute"], s["fault"])].append(s["behind"])
    told = {minute: statistics.median(rows) for minute, rows in quiet.items()}
    print("soak: behind by %d rows at most in the quiet ends of minutes, by %d at any time" % (max(told.values(), default=0), max((s["behind"] for s in samples), default=0)))
    found.extend("minute %d (%s) ends with %d rows behind" % (minute, fault, rows) for (minute, fault), rows in told.items() if rows > most)


def read_rows(path):
    rows = []
    if os.path.exists(path):
        for line in open(path, encoding="utf-8"):
            if line.endswith("\n"):
                rows.append(json.loads(line))
    return rows


def compare(name, have, want, found, again=0, may_repeat=False):
    missing, extra = [k for k in want if have.get(k) != want[k]], [k for k in have if k not in want]
    print("soak: %-12s %d rows%s" % (name, len(want), ", %d came again" % again if again else ""))
    if missing or extra:
        found.append("%s: %d of %d are missing or wrong, %d should not be; e.g. %s has %s, not %s; %s" % (
            name, len(missing), len(want), len(extra), missing[:1], have.get(missing[0]) if missing else "-", want[missing[0]] if missing else "-", extra[:2]))
    if again and not may_repeat:
        found.append("%s: %d rows came twice though nothing was killed" % (name, again))


def short(ts):
    return stamp(ts).replace(".000Z", "Z")


def sink_rows(world, name, key, value):
    rows = read_rows("%s/%s.jsonl" % (world.disk, name))
    have = {key(r): value(r) for r in rows}
    return have, len(rows) - len(have)


def expected_rows(world, before):
    x = world.expected
    windows = {(short(w), k): (n, s) for (w, k), (n, s) in x.windows.items() if w + WINDOW_MS <= before}
    matched = {(short(w), k): (x.windows[(w, k)][0], m) for (w, k), m in x.t_windows.items() if (w, k) in x.windows and w + WINDOW_MS <= before}
    sliding = {short(w): (n, top) for w, (n, top) in x.sliding.items() if w + SIZE_MS <= before}
    return windows, matched, sliding


def wait_for(world, windows, seconds=90):
    """Until the sinks have it all, or have stood still for ten seconds."""
    end, size, still = time.time() + seconds, -1, 0
    while time.time() < end and still < 10:
        now = sum(os.path.getsize(os.path.join(world.disk, f)) for f in os.listdir(world.disk) if f.endswith(".jsonl")) + sum(world.odd_seen)
        still = still + 1 if now == size else 0
        size = now
        time.sleep(1)


def answers(world, readers, before, killed, load, found):
    x = world.expected
    windows, matched, sliding = expected_rows(world, before)
    wait_for(world, windows)
    at, k = (lambda r: r["window_start"]), (lambda r: (r["window_start"], r["k"]))
    for name, key, value, want in (("windows", k, lambda r: (r["n"], r["s"]), windows), ("matched", k, lambda r: (r["n"], r["m"]), matched),
                                   ("sliding", at, lambda r: (r["n"], r["top"]), sliding)):
        have, again = sink_rows(world, name, key, value)
        compare(name, have, want, found, again, killed)
    have = collections.Counter(r["id"] for r in read_rows(world.disk + "/answered.jsonl"))
    if killed:
        have = collections.Counter({i: x.answered[i] if n > x.answered[i] > 0 else n for i, n in have.items()})
    compare("answered", have, x.answered, found)
    odd = world.odd_seen.ljust(x.events // world.every, b"\0")  # there may be millions: no dict of them
    again, missing = sum(odd) - len(odd) + odd.count(0), odd.count(0)
    print("soak: %-12s %d rows%s" % ("odd", len(odd), ", %d came again" % again if again else ""))
    if missing or len(odd) > x.events // world.every or (again and not killed):
        found.append("odd: %d of %d rows are missing, %d came again" % (missing, len(odd), again))
    bad = len(read_rows(world.disk + "/bad.jsonl"))
    if bad < x.bad or (bad > x.bad and not killed):
        found.append("dead letters: %d, not %d" % (bad, x.bad))
    subscribers(world, readers, windows, killed, load, found)
    p = subprocess.run(["kcat", "-b", world.other.address, "-t", "keys", "-C", "-e", "-q", "-o", "beginning"], capture_output=True, timeout=120)
    last = {}
    for line in p.stdout.decode().splitlines():
        row = json.loads(line)
        last[row["k"]] = (row["n"], row["s"])
    compare("keys (topic)", last, {key: tuple(v) for key, v in x.keys.items()}, found)


def subscribers(world, readers, windows, killed, load, found):
    x = world.expected
    by_view = {r.view: r for r in readers}
    r = by_view["per_window"]
    compare("subscriber", {key: (row["n"], row["s"]) for key, row in r.rows.items()}, windows, found, sum(n - 1 for n in r.times.values()), killed)
    compare("table", {key: (row["n"], row["s"]) for key, row in by_view["per_key"].rows.items()}, {key: tuple(v) for key, v in x.keys.items()}, found)
    compare("outer join", {key: (row["n"], row["name"]) for key, row in by_view["named"].rows.items()}, {key: (v[0], x.names.get(key)) for key, v in x.keys.items()}, found)
    top = sorted(((-v[0], key) for key, v in x.keys.items()))[:10]
    if not killed:  # a stream that is joined later takes back what it has not given
        compare("top", by_view["top"].rows, {(key, -n): 1 for n, key in top}, found)
    for r in readers:
        print("soak: subscriber of %-11s %9d rows, %d cuts, %d times anew, %d losses told" % (r.view, r.told, r.cuts, r.anew, r.lost))
        found.extend("subscriber of %s: %s" % (r.view, w) for w in r.wrong[:3])
        begins_anew = load and r.what == "table"  # a buffer does not hold what comes while it stops; it is told, and takes all rows again
        if r.lost and r.view != "odd" and not begins_anew:
            found.append("subscriber of %s lost rows" % r.view)
