"""Writes mutated safetensors files with the verdict of the reference: make_verdicts.py OUT [COUNT [SEED]]. Needs safetensors.

A case is: 1 byte (1 accepted, 0 refused), 4 bytes of length, the file. Half of the kept cases are accepted ones.
"""
import random
import struct
import sys

import safetensors

HEADERS = [
    '{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    '{"__metadata__":{"k":"v"},"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"a":{"dtype":"I16","shape":[1,2],"data_offsets":[3,7]}}',
    '{"s":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},"e":{"dtype":"I64","shape":[0,3],"data_offsets":[2,2]}}',
    '{"x":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4],"more":{"a":[1,{"b":null}]}}}',
    '{"p":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},"q":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}} ',
    "{}",
]
TOKENS = ["{", "}", "[", "]", ",", ":", '"', '""', "0", "1", "-1", "2.0", "1e1", "null", "true", "NaN", "01", "18446744073709551615",
          "18446744073709551616", "9223372036854775807", "4294967296", " ", "\n", "\t", "\x00", "\ufeff", "\\u0000", "\\ud800", "\\u00e9", "\u00e9",
          '"__metadata__":{}', '"__metadata__":null', '"dtype":"F32"', '"shape":[]', '"data_offsets":[0,0]', "F16", "F32", "U8", "BOOL", "F8_E5M2",
          "F8_E8M0", "F33", "f32", "shape", "dtype", "data_offsets", "offsets", "//", "\x7f", "\x1f", "[[[[", "a" * 40, "[0]", "[0,0,0]"]


def mutate(rng):
    header = rng.choice(HEADERS)
    data = {0: 8, 1: 7, 2: 2, 3: 4, 4: 9, 5: 0}[HEADERS.index(header)]
    raw = bytearray(header.encode())
    for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3])):
        at = rng.randrange(len(raw) + 1)
        kind = rng.randrange(7)
        if kind == 0 and at < len(raw):
            raw[at] = rng.randrange(256)
        elif kind == 1:
            del raw[at:at + rng.randrange(1, 5)]
        elif kind == 2:
            raw[at:at] = rng.choice(TOKENS).encode()
        elif kind == 3 and at < len(raw):
            raw[at:at + 1] = rng.choice(TOKENS).encode()
        elif kind == 4:  # a piece twice, or another header's
            other = rng.choice(HEADERS).encode() if rng.random() < 0.5 else bytes(raw)
            begin = rng.randrange(len(other) + 1)
            raw[at:at] = other[begin:begin + rng.randrange(40)]
        elif kind == 5:  # a digit
            digits = [i for i, c in enumerate(raw) if 48 <= c <= 57]
            if digits:
                raw[rng.choice(digits)] = 48 + rng.randrange(10)
        else:
            strings = [i for i, c in enumerate(raw) if c == 34]
            if strings:
                raw[rng.choice(strings):][:1] = b""
                raw.insert(rng.choice(strings), 34)
    length = len(raw) if rng.random() < 0.97 else rng.choice([0, 1, len(raw) - 1, len(raw) + 1, 100_000_000, 100_000_001, 2**63, 2**64 - 1])
    data += rng.choice([0] * 12 + [-1, 1, 8])
    return struct.pack("<Q", length % 2**64) + bytes(raw) + b"x" * max(data, 0)


def accepted(file):
    try:
        safetensors.deserialize(file)
        return True
    except Exception:
        return False


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    kept, seen = {True: 0, False: 0}, set()
    with open(sys.argv[1], "wb") as out:
        while kept[True] + kept[False] < count:
            file = mutate(rng)
            verdict = accepted(file)
            if file in seen or kept[verdict] * 2 >= count:
                continue
            seen.add(file)
            kept[verdict] += 1
            out.write(struct.pack("<BI", verdict, len(file)) + file)
    print(kept)


if __name__ == "__main__":
    main()
