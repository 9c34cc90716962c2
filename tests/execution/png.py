"""The pixels of an 8-bit PNG without interlacing, with nothing but the standard library."""
import struct, zlib


class Picture:
    """Its bytes, all channels alike; worked out when they are first looked at."""

    def __init__(self, data):
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        at, packed = 8, b""
        while at < len(data):
            length, kind = struct.unpack(">I4s", data[at:at + 8])
            chunk = data[at + 8:at + 8 + length]
            if kind == b"IHDR":
                self.width, self.height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunk)
                assert depth == 8 and rest[2] == 0
                self.channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
            elif kind == b"IDAT":
                packed += chunk
            at += 12 + length
        self._packed, self._bytes = packed, None

    @property
    def bytes(self):
        if self._bytes is None:
            self._bytes = b"".join(self._rows(zlib.decompress(self._packed)))
        return self._bytes

    def _rows(self, raw):
        stride, step = self.width * self.channels, self.channels
        above = bytes(stride)
        for start in range(0, len(raw), stride + 1):
            above = unfilter(raw[start], raw[start + 1:start + 1 + stride], above, step)
            yield above

    def min(self):
        return min(self.bytes)

    def max(self):
        return max(self.bytes)

    def mean(self):
        return sum(self.bytes) / len(self.bytes)


def unfilter(kind, row, above, step):
    # Most pictures here are flat, and most rows nothing but zeros after a filter.
    if kind == 0:
        return row
    if kind in (2, 4) and not any(row) and (kind == 2 or above == above[:step] * (len(row) // step)):
        return above
    if kind in (1, 4) and not any(row[step:]) and (kind == 1 or not any(above)):
        return row[:step] * (len(row) // step)
    done = bytearray(row)
    for i in range(len(done)):
        left, up = done[i - step] if i >= step else 0, above[i]
        corner = above[i - step] if i >= step else 0
        done[i] = (done[i] + (0, left, up, (left + up) // 2, paeth(left, up, corner))[kind]) & 255
    return bytes(done)


def paeth(left, up, corner):
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
