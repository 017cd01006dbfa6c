"""Lifts large payloads out of a serialized model, without reading them.

Protobuf parses whole files into memory, and none above 2 GiB. A model's size is nearly all tensors, so this module
walks the wire format only as far as large messages reach, copies everything else into a *light* serialization of the
same model, and leaves a reference in place of each large payload. Protobuf then parses the light bytes.
"""

import os
import re
from typing import Final, NamedTuple, Protocol

from onnx_proto.errors import FormatError, LimitError
from onnx_proto.payload import Buffer
from onnx_proto.wire import FIXED32, FIXED64, LONGEST_HEADER, VARINT, field_at, header

THRESHOLD: Final = 4096
"""Messages and payloads of fewer bytes are copied as they are."""

MAX_GRAPH_DEPTH: Final = 30
"""Graphs within graphs. Protobuf stops at 100 messages within messages, three for each graph."""

MAX_MESSAGE_DEPTH: Final = 100
"""Messages within messages that protobuf parses."""

MAX_SMALL_MESSAGE: Final = 1 << 20
"""Bytes of a message that is never large, such as a type; parsed, it may take a hundred times as many."""

MAX_TENSOR_ENTRIES: Final = 1000
"""Keys and values, of metadata and external data, that a tensor may have."""

REFERENCE_FIELD: Final = 50613
"""``TensorProto.onnxgen_lifted_payload`` of our schema."""

# The messages that lead to payloads: field number to message.
_Fields = dict[int, str]
_MESSAGES: Final[dict[str, _Fields]] = {
    "model": {7: "graph", 20: "training_info", 25: "function"},
    "training_info": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse_tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse_tensor", 23: "sparse_tensor"},
    "sparse_tensor": {1: "tensor", 2: "tensor"},
}
# And those that hold types, which are never large, but may be nested too deeply.
_WITH_TYPES: Final[dict[str, _Fields]] = {
    **_MESSAGES,
    "graph": {**_MESSAGES["graph"], 11: "value_info", 12: "value_info", 13: "value_info"},
    "function": {**_MESSAGES["function"], 12: "value_info"},
    "attribute": {**_MESSAGES["attribute"], 14: "type", 15: "type"},
    "value_info": {2: "type"},
    "type": {4: "sequence", 5: "map", 9: "optional"},
    "sequence": {1: "type"},
    "map": {2: "type"},
    "optional": {1: "type"},
}
# Fields that hold messages which are never large, by the message that holds them.
_SMALL: Final[dict[str, tuple[int, ...]]] = {
    "model": (8, 26),
    "graph": (11, 12, 13, 14),
    "function": (9, 12),
    "node": (10,),
    "attribute": (14, 15),
}
# Fields of a tensor whose bytes are its elements, row-major and little-endian: float_data, raw_data, double_data.
_PAYLOADS: Final = (4, 9, 10)
_TENSOR_ENTRIES: Final = (13, 16)  # external_data, metadata_props

_WINDOW = 1 << 13


def _tags(wire_type: int, *but: int) -> bytes:
    """A class of a regular expression: the tags of one byte that have this wire type, except those of some fields."""
    return b"[" + b"".join(re.escape(bytes([n << 3 | wire_type])) for n in range(16) if n not in but) + b"]"


# Numbers in a row, such as the elements of ``AttributeProto.ints``, each of which is a field of a few bytes. A tensor's
# elements are no such row, they are a payload.
_NUMBERS = re.compile(
    rb"(?:%b[\x80-\xff]{0,9}[\x00-\x7f]|%b.{4}|%b.{8})+"
    % (_tags(VARINT, *_PAYLOADS), _tags(FIXED32, *_PAYLOADS), _tags(FIXED64, *_PAYLOADS)),
    re.DOTALL,
)


class Source(Protocol):
    """Random access to the serialized model."""

    size: int

    def read(self, start: int, end: int) -> Buffer:
        """The bytes from `start` up to `end`."""


class Lifted(NamedTuple):
    """A payload that was left in the source: which field of ``TensorProto`` it was, and where it is."""

    field: int
    offset: int
    length: int


class References(NamedTuple):
    """What the references in a light model stand for.

    A reference is `secret` followed by the index into `lifted` as eight little-endian bytes. The secret is drawn anew
    for each file, so that a file cannot carry references of its own.
    """

    lifted: list[Lifted]
    secret: bytes

    def resolve(self, reference: bytes) -> Lifted | None:
        """What a reference stands for; None if the file made it up."""
        secret, index = reference[:16], reference[16:]
        return self.lifted[int.from_bytes(index, "little")] if secret == self.secret else None


class Light(NamedTuple):
    """A model without its large payloads."""

    data: bytes
    references: References


def skim(source: Source, threshold: int = THRESHOLD, kind: str = "model") -> Light:
    """Separates the large payloads of a serialized message from everything else.

    Args:
        source: The serialized message.
        threshold: Size in bytes from which messages are entered and payloads lifted. At 0, types are entered too.
        kind: What message it is, ``"value_info"`` for a ``ValueInfoProto``.

    Raises:
        FormatError: A message on the way ends in the middle of a field.
        LimitError: Graphs or messages are nested too deeply, or a message is larger than its kind ever is.
    """
    skimmer = _Skimmer(source, threshold)
    data = skimmer.message(kind, 0, source.size, graphs=0, messages=0)
    return Light(data, References(skimmer.lifted, skimmer.secret))


class _Skimmer:
    def __init__(self, source: Source, threshold: int) -> None:
        self.lifted: list[Lifted] = []
        self.secret = os.urandom(16)
        self._source = source
        self._threshold = threshold
        self._messages = _MESSAGES if threshold else _WITH_TYPES
        self._window = b""
        self._window_start = 0

    def message(self, kind: str, start: int, end: int, graphs: int, messages: int) -> bytes:
        """The light form of the message of that kind between `start` and `end`.

        Recursion is bounded by `MAX_MESSAGE_DEPTH`; `graphs` and `messages` count what encloses this one.
        """
        graphs, messages = graphs + (kind == "graph"), messages + 1
        if graphs > MAX_GRAPH_DEPTH:
            raise LimitError(f"graphs are nested more than {MAX_GRAPH_DEPTH} deep, at byte {start}")
        if messages > MAX_MESSAGE_DEPTH:
            raise LimitError(f"messages are nested more than the {MAX_MESSAGE_DEPTH} deep that protobuf reads")
        entered, small = self._messages.get(kind, {}), _SMALL.get(kind, ())
        pieces: list[Buffer] = []
        copied = position = start
        while position < end:
            number, value, after = self._field(position, end, kind)
            inner = entered.get(number)
            if inner is not None and value is not None and after - value >= self._threshold:
                if inner == "tensor":
                    light = self.tensor(value, after)
                else:
                    light = self.message(inner, value, after, graphs, messages)
                if light is not None:
                    pieces.append(self._source.read(copied, position))
                    pieces.append(header(number, len(light)))
                    pieces.append(light)
                    copied = after
            elif value is None:
                after = self._after_numbers(after, end)
            elif number in small and after - value > MAX_SMALL_MESSAGE:
                raise LimitError(
                    f"field {number} of a {kind}, at byte {position}, has {after - value} bytes, "
                    f"more than the {MAX_SMALL_MESSAGE} that are read"
                )
            position = after
        pieces.append(self._source.read(copied, end))
        return b"".join(pieces)

    def tensor(self, start: int, end: int) -> bytes | None:
        """The light form of a tensor; None if it has no large payload, or not in one piece."""
        found: tuple[Lifted, int] | None = None
        entries = 0
        position = start
        while position < end:
            number, value, after = self._field(position, end, "tensor")
            if number in _PAYLOADS:
                if found is not None or value is None:
                    return None
                found = Lifted(number, value, after - value), position
            elif number in _TENSOR_ENTRIES:
                entries += 1
                if entries > MAX_TENSOR_ENTRIES:
                    raise LimitError(f"a tensor has more than {MAX_TENSOR_ENTRIES} entries, at byte {position}")
            elif value is None:
                after = self._after_numbers(after, end)
            position = after
        if found is None or found[0].length < self._threshold:
            return None
        lifted, before = found
        reference = self.secret + len(self.lifted).to_bytes(8, "little")
        self.lifted.append(lifted)
        after = lifted.offset + lifted.length
        light = self._source.read(start, before), _reference_field(reference), self._source.read(after, end)
        return b"".join(light)

    def _after_numbers(self, position: int, end: int) -> int:
        """Where the row of numbers that begins at `position` ends, as far as the window shows."""
        offset = position - self._window_start
        row = _NUMBERS.match(self._window, offset, min(end - self._window_start, len(self._window)))
        return self._window_start + row.end() if row else position

    def _field(self, position: int, end: int, kind: str) -> tuple[int, int | None, int]:
        """Number of the field at `position`, where its length-delimited value starts (else None), and where it ends."""
        offset = position - self._window_start
        if offset < 0 or offset + LONGEST_HEADER > len(self._window):
            window_end = min(position + _WINDOW, self._source.size)
            self._window = bytes(self._source.read(position, window_end))
            self._window_start, offset = position, 0
        window = self._window
        try:
            number, value, after = field_at(window, offset)
        except FormatError as error:
            raise FormatError(f"byte {position}, in a {kind}: {error.problem}") from None
        except IndexError:
            raise FormatError(f"byte {position}, in a {kind}: what holds it ends in the middle of a field") from None
        after += self._window_start
        if after > end:
            raise FormatError(
                f"byte {position}, in a {kind}: field {number} reaches to byte {after}, what holds it ends at {end}"
            )
        return number, self._window_start + value if value else None, after


def _reference_field(reference: bytes) -> bytes:
    """A whole field that holds a reference."""
    return header(REFERENCE_FIELD, len(reference)) + reference
