"""Puts a day of requests into the database of a running server: what no test can wait for.

A row for each fifth minute and for each hour, more by day than by night, some errors around the fifteenth hour.
"""

import math
import sqlite3
import sys
import time

database, account, *keys = sys.argv[1:]
now = int(time.time()) // 60 * 60
buckets = ", ".join("?" for _ in range(18))
with sqlite3.connect(database, timeout=30) as store:
    for number, key in enumerate(keys):
        gateway, provider, key = key.split("/")
        store.execute(
            "INSERT OR IGNORE INTO traffic_series (account, gateway, provider, key) VALUES (?, ?, ?, ?)",
            (account, gateway, provider, key),
        )
        (series,) = store.execute("SELECT id FROM traffic_series WHERE key = ?", (key,)).fetchone()
        for start in range(now - 24 * 3600, now, 300):
            day = (1 - math.cos((start % 86400) / 86400 * 2 * math.pi)) / 2
            requests = int((40 + 260 * day) / (1 + 2 * number) + start // 300 % 7)
            failed = requests // 9 if 14 <= start % 86400 // 3600 < 16 else requests // 120
            for class_, count in ((0, requests - failed), (3, failed)):
                # Around a quarter of a second to the head of an answer; errors come sooner.
                middle = 8 if class_ == 0 else 5
                shape = [math.exp(-((bucket - middle) ** 2) / 3) for bucket in range(18)]
                counts = [round(count * part / sum(shape)) for part in shape]
                store.execute(
                    f"INSERT OR IGNORE INTO traffic VALUES (?, 60, ?, ?, {buckets})",
                    (series, start, class_, *counts),
                )
        sums = ", ".join(f"sum(l{bucket})" for bucket in range(18))
        store.execute(
            f"INSERT OR IGNORE INTO traffic SELECT series, 3600, start / 3600 * 3600, class, {sums} FROM traffic"
            " WHERE series = ? AND span = 60 GROUP BY start / 3600, class",
            (series,),
        )
