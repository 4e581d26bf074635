#!/usr/bin/env python3
"""Keyward's sealed format 1, as docs/sealed-format.md describes it; shares no code with Keyward.

    sealed_format.py open FILE    open every vector of FILE, seal its inputs again, and see that nothing opens
                                  that was changed
    sealed_format.py seal         make a new vault with a slot of each kind and one sealed value, as JSON

Needs PyNaCl (XChaCha20-Poly1305), cryptography (HKDF) and argon2-cffi (Argon2id).
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import zlib

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

NONCE, COMMITMENT, TAG = 24, 32, 16
RECORD, KEYRING, SLOT = b"keyward record v1", b"keyward keyring v1", b"keyward slot v1"
RECOVERY = b"keyward recovery key v1"
KEY_FILE = b"KEYWARD-KEY-FILE-1 "
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
KINDS = {1: "key file", 2: "passphrase", 3: "recovery key", 4: "command"}
STRETCHED = (2, 4)


class Refused(Exception):
    """The bytes are not what they are taken for."""


# The primitive.


def derive(key, label, associated, nonce):
    """The key that encrypts, and the commitment to the key that was given."""
    info = bytes([len(label)]) + label + hashlib.sha256(associated).digest()
    out = HKDF(algorithm=SHA256(), length=64, salt=nonce, info=info).derive(key)
    return out[:32], out[32:]


def seal(key, label, associated, nonce, text):
    own, commitment = derive(key, label, associated, nonce)
    return nonce + commitment + crypto_aead_xchacha20poly1305_ietf_encrypt(text, associated, nonce, own)


def open_sealed(key, label, associated, sealed):
    if len(sealed) < NONCE + COMMITMENT + TAG:
        raise Refused("too short")
    nonce, claimed, rest = sealed[:NONCE], sealed[NONCE : NONCE + COMMITMENT], sealed[NONCE + COMMITMENT :]
    own, commitment = derive(key, label, associated, nonce)
    if not hmac.compare_digest(commitment, claimed):
        raise Refused("the commitment is another key's")
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(rest, associated, nonce, own)
    except CryptoError as error:
        raise Refused("the tag does not fit") from error


# Fields.


def u32(number):
    return number.to_bytes(4, "big")


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        piece = self.data[self.at : self.at + count]
        if len(piece) != count:
            raise Refused("cut short")
        self.at += count
        return piece

    def number(self):
        return int.from_bytes(self.take(4), "big")

    def rest(self):
        return self.data[self.at :]


# Records.


def destination(origins):
    """The canonical list of origins: sorted, each with its length before it."""
    return b"".join(u32(len(origin)) + origin for origin in sorted(origin.encode() for origin in origins))


def record_header(record):
    where = destination(record["origins"])
    context = bytes.fromhex(record["context"])
    return b"".join(
        [
            b"KWSR\x01\x01\x01",
            bytes.fromhex(record["vault"]),
            u32(record["key_number"]),
            bytes.fromhex(record["account"]),
            bytes.fromhex(record["secret"]),
            u32(record["version"]),
            bytes([bool(record["origins"])]),
            u32(len(where)) + where,
            u32(len(context)) + context,
        ]
    )


def seal_record(record):
    header = record_header(record)
    key, nonce = bytes.fromhex(record["keyring_key"]), bytes.fromhex(record["nonce"])
    return header + seal(key, RECORD, header, nonce, bytes.fromhex(record["value"]))


def open_record(keyring, data):
    """The fields of a record and its value. `keyring`: number to key."""
    reader = Reader(data)
    if reader.take(7) != b"KWSR\x01\x01\x01":
        raise Refused("no record of format 1")
    found = {"vault": reader.take(16).hex(), "key_number": reader.number()}
    found.update(account=reader.take(16).hex(), secret=reader.take(16).hex(), version=reader.number())
    bound = reader.take(1)[0]
    where = Reader(reader.take(reader.number()))
    found["context"] = reader.take(reader.number()).hex()
    header, sealed = data[: reader.at], reader.rest()
    origins = []
    while where.rest():
        origins.append(where.take(where.number()).decode())
    found["origins"] = origins
    if found["key_number"] not in keyring:
        raise Refused("no such key")
    found["value"] = open_sealed(keyring[found["key_number"]], RECORD, header, sealed).hex()
    # What was authenticated is also the one encoding there is.
    if bound != bool(origins) or record_header(found) != header:
        raise Refused("not canonical")
    return found


# The keyring.


def seal_keyring(root, vault, keys, nonce):
    return seal(root, KEYRING, vault, nonce, b"".join(u32(number) + key for number, key in keys))


def open_keyring(root, vault, sealed):
    text = open_sealed(root, KEYRING, vault, sealed)
    if not text or len(text) % 36:
        raise Refused("no keyring")
    entries = [text[at : at + 36] for at in range(0, len(text), 36)]
    keys = [(int.from_bytes(entry[:4], "big"), entry[4:]) for entry in entries]
    numbers = [number for number, _ in keys]
    if numbers[0] == 0 or any(one >= next_one for one, next_one in zip(numbers, numbers[1:])):
        raise Refused("not rising")
    return keys


def subkey(key, label):
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label).derive(key)


# Slots.


def key_of_file(text):
    if not text.startswith(KEY_FILE):
        raise Refused("no key file")
    payload = base64.urlsafe_b64decode(text.strip().removeprefix(KEY_FILE))
    key, checksum = payload[:32], payload[32:]
    if checksum != zlib.crc32(key).to_bytes(4, "big"):
        raise Refused("a key file that was changed")
    return key


def key_file(key):
    payload = key + zlib.crc32(key).to_bytes(4, "big")
    return KEY_FILE + base64.urlsafe_b64encode(payload).rstrip(b"=") + b"\n"


def recovery_checksum(key):
    return int.from_bytes(hashlib.sha256(RECOVERY + key).digest()[:3], "big") >> 4


def recovery_text(key):
    number = int.from_bytes(key, "big") << 20 | recovery_checksum(key)
    symbols = [ALPHABET[number >> 5 * at & 31] for at in reversed(range(36))]
    return "-".join("".join(symbols[at : at + 4]) for at in range(0, 36, 4))


def bytes_of_recovery(text):
    symbols = text.upper().replace("-", "").replace(" ", "").translate(str.maketrans("ILO", "110"))
    if len(symbols) != 36 or not set(symbols) <= set(ALPHABET):
        raise Refused("no recovery key")
    number = 0
    for symbol in symbols:
        number = number << 5 | ALPHABET.index(symbol)
    key = (number >> 20).to_bytes(20, "big")
    if number & 0xFFFFF != recovery_checksum(key):
        raise Refused("a recovery key that was mistyped")
    return key


def slot_key(kind, opened_by, params, salt):
    """The key that wraps the root key. `opened_by`: what somebody brings, as bytes."""
    if kind == 1:
        return key_of_file(opened_by)
    if kind == 3:
        key = bytes_of_recovery(opened_by.decode())
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=RECOVERY).derive(key)
    if kind == 4:
        opened_by = opened_by.removesuffix(b"\n").removesuffix(b"\r")
    memory, iterations, lanes = params
    return hash_secret_raw(opened_by, salt, iterations, memory, lanes, 32, Type.ID, 19)


def slot_head(number, kind, params, salt):
    head = b"KWSL\x01" + u32(number) + bytes([kind])
    if kind in STRETCHED:
        head += b"".join(u32(param) for param in params) + salt
    return head


def seal_slot(number, kind, vault, root, opened_by, nonce, params=None, salt=None):
    head = slot_head(number, kind, params, salt)
    return head + seal(slot_key(kind, opened_by, params, salt), SLOT, head + vault, nonce, root)


def open_slot(vault, opened_by, data):
    """Number, kind and root key."""
    reader = Reader(data)
    if reader.take(5) != b"KWSL\x01":
        raise Refused("no slot of format 1")
    number, kind = reader.number(), reader.take(1)[0]
    if kind not in KINDS:
        raise Refused("no known kind")
    params = salt = None
    if kind in STRETCHED:
        params = memory, iterations, lanes = reader.number(), reader.number(), reader.number()
        if not (19 * 1024 <= memory <= 4 * 1024 * 1024 and 1 <= iterations <= 64 and 1 <= lanes <= 64):
            raise Refused("parameters outside the bounds")
        salt = reader.take(16)
    head, sealed = data[: reader.at], reader.rest()
    root = open_sealed(slot_key(kind, opened_by, params, salt), SLOT, head + vault, sealed)
    return number, KINDS[kind], root


# The vectors.


def check(name, found, expected):
    if found != expected:
        raise SystemExit(f"{name}: {found!r} is not {expected!r}")


def check_refused(name, attempt, data, places=None):
    """No bit may be changed, and nothing cut off or added. `places`: bytes to try; all if none are named."""
    changed = [data[:-1], data + b"\0"]
    for place in range(len(data)) if places is None else places:
        flipped = bytearray(data)
        flipped[place] ^= 1
        changed.append(bytes(flipped))
    for one in changed:
        try:
            attempt(one)
        except (Refused, UnicodeDecodeError):
            continue
        raise SystemExit(f"{name}: opens although it was changed")
    return len(changed)


def open_vectors(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    opened, refused = 0, 0
    for vector in vectors["records"]:
        name, data = vector["name"], bytes.fromhex(vector["sealed"])
        keyring = {vector["key_number"]: bytes.fromhex(vector["keyring_key"])}
        found = open_record(keyring, data)
        for field in found:
            check(f"{name}, {field}", found[field], vector[field])
        check(f"{name}, sealed", seal_record(vector), data)

        def open_it(changed, keyring=keyring):
            return open_record(keyring, changed)

        refused += check_refused(name, open_it, data)
        opened += 1
    for vector in vectors["keyrings"]:
        name, data = vector["name"], bytes.fromhex(vector["sealed"])
        root, vault = bytes.fromhex(vector["root_key"]), bytes.fromhex(vector["vault"])
        keys = [(key["number"], bytes.fromhex(key["key"])) for key in vector["keys"]]
        check(f"{name}, keys", open_keyring(root, vault, data), keys)
        check(f"{name}, sealed", seal_keyring(root, vault, keys, bytes.fromhex(vector["nonce"])), data)

        def open_it(changed, root=root, vault=vault):
            return open_keyring(root, vault, changed)

        refused += check_refused(name, open_it, data)
        opened += 1
    for vector in vectors["subkeys"]:
        found = subkey(bytes.fromhex(vector["keyring_key"]), vector["label"].encode())
        check(vector["name"], found.hex(), vector["subkey"])
        opened += 1
    for vector in vectors["slots"]:
        name, data = vector["name"], bytes.fromhex(vector["sealed"])
        vault, opened_by = bytes.fromhex(vector["vault"]), vector["opened_by"].encode()
        root, kind = bytes.fromhex(vector["root_key"]), data[9]
        check(name, open_slot(vault, opened_by, data), (vector["number"], vector["kind"], root))
        inputs = {}
        if kind in STRETCHED:
            inputs["params"] = tuple(vector[field] for field in ("memory_kib", "iterations", "lanes"))
            inputs["salt"] = bytes.fromhex(vector["salt"])
        nonce = bytes.fromhex(vector["nonce"])
        again = seal_slot(vector["number"], kind, vault, root, opened_by, nonce, **inputs)
        check(f"{name}, sealed", again, data)

        def open_it(changed, vault=vault, opened_by=opened_by):
            return open_slot(vault, opened_by, changed)

        # Argon2id makes each try cost something: one byte of each field.
        places = [4, 8, 9, 21, 22, 37, 38, 62, 94, len(data) - 1] if kind in STRETCHED else None
        refused += check_refused(name, open_it, data, places)
        opened += 1
    print(f"{opened} vectors opened and sealed again, {refused} changed ones refused")


def seal_vault():
    vault, root, key = os.urandom(16), os.urandom(32), os.urandom(32)
    number, params = 7, (19 * 1024, 1, 2)
    inputs = {
        1: key_file(os.urandom(32)),
        2: base64.b64encode(os.urandom(18)),
        3: recovery_text(os.urandom(20)).encode(),
        4: base64.b64encode(os.urandom(33)) + b"\r\n",
    }
    slots = []
    for kind, opened_by in inputs.items():
        stretch = {"params": params, "salt": os.urandom(16)} if kind in STRETCHED else {}
        slot = seal_slot(kind, kind, vault, root, opened_by, os.urandom(24), **stretch)
        slots.append({"kind": KINDS[kind], "opened_by": opened_by.decode(), "sealed": slot.hex()})
    record = {
        "vault": vault.hex(),
        "keyring_key": key.hex(),
        "key_number": number,
        "account": os.urandom(16).hex(),
        "secret": os.urandom(16).hex(),
        "version": 3,
        "origins": ["https://{region}.llm.example.com", "https://api.example.com"],
        "context": os.urandom(5).hex(),
        "nonce": os.urandom(24).hex(),
        "value": os.urandom(40).hex(),
    }
    made = {field: record[field] for field in ("vault", "account", "secret", "version", "value")}
    made["slots"] = slots
    made["keyring"] = seal_keyring(root, vault, [(1, os.urandom(32)), (number, key)], os.urandom(24)).hex()
    made["record"] = seal_record(record).hex()
    print(json.dumps(made))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["open", path]:
            open_vectors(path)
        case ["seal"]:
            seal_vault()
        case _:
            raise SystemExit(__doc__)
