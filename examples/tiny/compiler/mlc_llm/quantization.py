"""The quantizations: names and numbers only, so that a wrong name fails before TVM loads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantization:
    """How a weight matrix [out, in] is stored; group_size 0 stores it as it is."""

    name: str
    group_size: int = 0
    bits: int = 0

    @property
    def per_word(self) -> int:
        """Elements in one 32-bit word."""
        return 32 // self.bits

    @property
    def max_int(self) -> int:
        """The stored value that stands for zero."""
        return 2 ** (self.bits - 1) - 1

    def groups(self, size: int) -> int:
        """Groups along an axis of this size; the last one may be padded."""
        return -(-size // self.group_size)

    def words(self, size: int) -> int:
        """Words along an axis of this size."""
        return self.groups(size) * self.group_size // self.per_word


QUANTIZATIONS = {
    "q0f16": Quantization("q0f16"),
    "q4f16_1": Quantization("q4f16_1", group_size=32, bits=4),
}
