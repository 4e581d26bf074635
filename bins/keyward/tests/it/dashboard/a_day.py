"""Puts a day of requests into the database of a running server: what no test can wait for.

A row for each fifth minute and for each hour, more by day than by night, some errors around the fifteenth hour. In the log, a
few requests for each fifth minute.
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

MODELS = {
    "openai": ("gpt-5", "gpt-5-mini", "gpt-4o"),
    "anthropic": ("claude-sonnet-4-5", "claude-haiku-4-5"),
}


def name(store, text):
    store.execute("INSERT OR IGNORE INTO log_name (text) VALUES (?)", (text,))
    return store.execute("SELECT id FROM log_name WHERE text = ?", (text,)).fetchone()[0]


def entry(store, scope, provider, key, millis, number):
    models = MODELS.get(provider, ("large", "medium", "small"))
    model = models[number % len(models)]
    fails = (14 <= millis // 1000 % 86400 // 3600 < 16 and number % 5 == 0) or number % 90 == 0
    into, out = (0, 0) if fails else (200 + number * 37 % 3000, 40 + number * 53 % 900)
    columns = {
        "scope": scope,
        # RFC 9562, section 5.7.
        "id": millis.to_bytes(6, "big") + bytes((0x70, 0, 0x80, *number.to_bytes(7, "big"))),
        "provider": name(store, provider),
        "model": name(store, model),
        "path": name(store, "chat/completions"),
        "request_content_type": name(store, "application/json"),
        "response_content_type": name(store, "application/json"),
        "status": 503 if fails else 200,
        "success": not fails,
        "cached": 0,
        "duration": 90 if fails else 400 + out * 9 + number * 29 % 700,
        "input": None if fails else into,
        "output": None if fails else out,
        "cost": None if fails else into * 1250 + out * 10000,
        "custom_cost": 0,
        "provider_key": name(store, key),
        "user_agent": name(store, "OpenAI/Python 3.54.0"),
        "authentication": 1,
        "byok": 1,
        "compat": 0,
        "request_bytes": 4 * into,
        "response_bytes": 4 * out + 300,
    }
    places = ", ".join("?" for _ in columns)
    store.execute(f"INSERT INTO log ({', '.join(columns)}) VALUES ({places})", tuple(columns.values()))


with sqlite3.connect(database, timeout=30) as store:
    made = 0
    for part, key in enumerate(keys):
        gateway, provider, key = key.split("/")
        store.execute(
            "INSERT OR IGNORE INTO log_scope (account, gateway, entries) VALUES (?, ?, 0)", (account, gateway)
        )
        (scope,) = store.execute(
            "SELECT id FROM log_scope WHERE account = ? AND gateway = ?", (account, gateway)
        ).fetchone()
        for start in range(now - 24 * 3600 + 60, now, 300):
            day = (1 - math.cos((start % 86400) / 86400 * 2 * math.pi)) / 2
            for number in range(int((1 + 4 * day) / (1 + part)) + (start // 300 + part) % 2):
                made += 1
                entry(store, scope, provider, key, start * 1000 + number * 9000, made)
        store.execute(
            "UPDATE log_scope SET entries = (SELECT count(*) FROM log WHERE log.scope = log_scope.id) WHERE id = ?", (scope,)
        )
