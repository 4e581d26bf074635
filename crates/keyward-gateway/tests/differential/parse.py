"""Reads streams (4 bytes of length, big-endian, then the bytes) from standard input and prints, for each, one line of
JSON: the requests that h11 sees in it."""

import json
import struct
import sys

import h11

CREDENTIALS = {b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"}


def parse(data):
    requests = []
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    at = 0
    ended = False
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return requests
        if event is h11.NEED_DATA:
            if ended:
                return requests
            piece = data[at : at + 16384]
            at += len(piece)
            ended = not piece
            connection.receive_data(piece)
        elif event is h11.PAUSED:
            try:
                connection.send(h11.Response(status_code=204, headers=[]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
            except h11.LocalProtocolError:
                return requests
        elif isinstance(event, h11.Request):
            fields = [(name.lower(), value) for name, value in event.headers]
            requests.append(
                {
                    "method": event.method.decode("latin1"),
                    "target": event.target.hex(),
                    "hosts": [value.hex() for name, value in fields if name == b"host"],
                    "credentials": [
                        [name.decode("latin1"), value.hex()]
                        for name, value in fields
                        if name.replace(b"_", b"-") in CREDENTIALS
                    ],
                    "fields": len(fields),
                    "tokens": sum(b"kw_gw_" in value for _, value in fields),
                    "body": "",
                    "complete": False,
                }
            )
        elif isinstance(event, h11.Data):
            requests[-1]["body"] += event.data.hex()
        elif isinstance(event, h11.EndOfMessage):
            requests[-1]["complete"] = True
        elif isinstance(event, h11.ConnectionClosed):
            return requests


def main():
    data = sys.stdin.buffer.read()
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        print(json.dumps(parse(data[at + 4 : at + 4 + length])))
        at += 4 + length


main()
