"""Writes floats.txt: doubles that are 32-bit floats, by their bits, and what Python's repr makes of
them. Half of them lie halfway between the two shortest decimals that could stand for them."""

import random
import struct
from decimal import Decimal

random.seed(20260723)


def half(value):
    """Whether the digits behind those of repr are 5 and nothing else."""
    shortest = Decimal(repr(value)).normalize().as_tuple().digits
    digits = "".join(map(str, Decimal(value).normalize().as_tuple().digits))
    return len(digits) == len(shortest) + 1 and digits[-1] == "5"


def single():
    if random.random() < 0.5:
        return struct.unpack("<f", struct.pack("<f", random.uniform(0, 200)))[0]
    return struct.unpack("<f", struct.pack("<I", random.getrandbits(32)))[0]


ties, others = {64.83999633789062, 1.2399999499320984}, {5e-324, 1.7976931348623157e308}
while len(ties) < 1000 or len(others) < 1000:
    value = single()
    if value == value and abs(value) != float("inf"):
        (ties if half(value) else others).add(value)
lines = sorted(f"{struct.pack('>d', v).hex()} {v!r}\n" for v in list(ties)[:1000] + list(others)[:1000])
with open("floats.txt", "w", encoding="ascii") as out:
    out.writelines(lines)
