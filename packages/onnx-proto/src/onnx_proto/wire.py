"""Protobuf's wire format, as far as one walks it without a schema.

A message is a list of fields, each a varint tag (number and wire type) and a value; embedded messages, strings, bytes
and packed numbers are a varint length and as many bytes. (https://protobuf.dev/programming-guides/encoding)
"""

from collections.abc import Iterator
from typing import Final

from onnx_proto.errors import FormatError

VARINT: Final = 0
FIXED64: Final = 1
LENGTH_DELIMITED: Final = 2
FIXED32: Final = 5

LONGEST_HEADER: Final = 20
"""Bytes of a tag and a length, ten each at most."""


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message, each its number and value; fields of numbers are passed over.

    Raises:
        FormatError: The message ends in the middle of a field, or has one of a kind that ONNX does not use.
    """
    position, end = 0, len(message)
    try:
        while position < end:
            tag, length = message[position], message[position + 1]
            if tag & 0x87 == LENGTH_DELIMITED and length < 0x80:  # as in `field_at`, whose call takes longer
                number, value = tag >> 3, position + 2
                position = value + length
            else:
                number, value, position = field_at(message, position)
            if position > end:
                break
            if value:
                yield number, message[value:position]
    except IndexError:
        position = end + 1
    if position > end:
        raise FormatError(f"a message of {end} bytes ends in the middle of a field")


def field_at(data: bytes, offset: int) -> tuple[int, int, int]:
    """Number of the field at `offset`, where its value starts if that has a length (else 0), and where the field ends.

    Raises:
        IndexError: The data end before.
        FormatError: A number is too long, or the wire type is none that ONNX uses.
    """
    tag, length = data[offset], data[offset + 1]
    if tag & 0x87 == LENGTH_DELIMITED and length < 0x80:  # mostly, each is one byte
        return tag >> 3, offset + 2, offset + 2 + length
    tag, offset = _varint(data, offset)
    match tag & 7:
        case 2:
            length, value = _varint(data, offset)
            return tag >> 3, value, value + length
        case 0:
            return tag >> 3, 0, _varint(data, offset)[1]
        case 5:
            return tag >> 3, 0, offset + 4
        case 1:
            return tag >> 3, 0, offset + 8
        case wire_type:
            raise FormatError(f"no field of ONNX has wire type {wire_type}")


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    """A number and where it ends: seven bits a byte, low ones first, the high bit set in all but the last."""
    byte = data[offset]
    if byte < 0x80:
        return byte, offset + 1
    number = byte & 0x7F
    for shift in range(7, 70, 7):
        offset += 1
        byte = data[offset]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, offset + 1
    raise FormatError("a number has more than ten bytes")


def header(number: int, length: int) -> bytes:
    """Tag and length of a length-delimited field."""
    return _encoded(number << 3 | LENGTH_DELIMITED) + _encoded(length)


def _encoded(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
