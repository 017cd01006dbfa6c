"""Parses lists of messages, one message at a time: what the readers of all kinds of messages share."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError, Message

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.errors import FormatError, LimitError, OnnxError, quoted
from onnx_proto.skim import Source, skim
from onnx_proto.source import MemorySource

_Message = TypeVar("_Message", bound=Message)
_Object = TypeVar("_Object")

FREE_MESSAGES: Final = 1 << 16
BYTES_PER_MESSAGE: Final = 12
"""A model may consist of `FREE_MESSAGES` messages, and one more for each of so many bytes of its file.

Real ones have thirty bytes for each, or more. An object takes a few hundred bytes of memory, and its message as few as
two of the file: without a limit, a small file could fill any memory.
"""

MESSAGES_PER_GRAPH: Final = 4
"""A graph counts as so many: of all objects, it takes most."""

# What `skim` calls the messages that it knows.
_KINDS: Final[dict[type[Message], str]] = {
    pb.ShallowModelProto: "model",
    pb.ShallowTrainingInfoProto: "training_info",
    pb.ShallowGraphProto: "graph",
    pb.ShallowFunctionProto: "function",
    pb.ShallowAttributeProto: "attribute",
    pb.ValueInfoProto: "value_info",
    pb.TypeProto: "type",
}
_LONGEST_SEARCH: Final = 1 << 24  # bytes; to find a mistake takes a second for each million of fields


class Parts:
    """Parses the messages within one model, and counts them."""

    def __init__(self, size: int) -> None:
        """For a file of `size` bytes."""
        self._size = size
        self._allowed = self._left = FREE_MESSAGES + size // BYTES_PER_MESSAGE

    def each(
        self,
        field: str,
        kind: type[_Message],
        serialized: Sequence[bytes],
        convert: Callable[[_Message], _Object],
    ) -> tuple[_Object, ...]:
        """Converts the messages in a repeated field, naming the field, the index and the name in errors."""
        self.count(len(serialized))
        objects: list[_Object] = []
        parse, proto = kind.FromString, None
        try:
            for data in serialized:
                proto = None
                proto = parse(data)
                objects.append(convert(proto))
        except (OnnxError, DecodeError) as error:
            name = getattr(proto, "name", "") or getattr(proto, "op_type", "")
            step = f"{field}[{len(objects)}]"
            raise located(error, kind, data, f"{step} {quoted(name)}" if name else step) from error.__cause__
        return tuple(objects)

    def mapping(self, field: str, serialized: Sequence[bytes]) -> dict[str, str]:
        """A dictionary; of entries with the same key the last one counts."""
        return dict(self.each(field, pb.StringStringEntryProto, serialized, _pair)) if serialized else {}

    def attempt(self, make: Callable[[], _Object]) -> _Object:
        """Makes something that will be made anew if it fails: then what was counted for it counts no more."""
        left = self._left
        try:
            return make()
        except OnnxError:
            self._left = left
            raise

    def count(self, messages: int) -> None:
        """Counts messages before objects are made of them.

        Raises:
            LimitError: They are more than a file of this size has.
        """
        self._left -= messages
        if self._left < 0:
            raise LimitError(
                f"more than {self._allowed} messages in a file of {self._size} bytes, "
                f"expected no more than one for each {BYTES_PER_MESSAGE} bytes"
            )


def one(field: str, proto: _Message, convert: Callable[[_Message], _Object]) -> _Object:
    """Converts the message in a field, naming the field in errors."""
    try:
        return convert(proto)
    except OnnxError as error:
        raise error.within(field) from error.__cause__


def located(error: OnnxError | DecodeError, kind: type[Message], serialized: bytes, step: str) -> OnnxError:
    """The error of the family that says what is wrong at a step into the model."""
    return (error if isinstance(error, OnnxError) else malformed(error, kind, serialized)).within(step)


def malformed(error: DecodeError, kind: type[Message], serialized: bytes, source: Source | None = None) -> OnnxError:
    """What is wrong with a message that protobuf refuses, which does not say it.

    Args:
        error: What protobuf says.
        kind: The message's class.
        serialized: Its bytes.
        source: Where they come from, to count bytes as they lie there.
    """
    name = kind.DESCRIPTOR.name.removeprefix("Shallow")
    try:
        if len(serialized) <= _LONGEST_SEARCH:
            skim(source or MemorySource(serialized), threshold=0, kind=_KINDS.get(kind, name))
    except OnnxError as found:
        return found
    return FormatError(f"not a serialized {name} ({error})")


def _pair(entry: pb.StringStringEntryProto) -> tuple[str, str]:
    return entry.key, entry.value


def pairs(entries: Iterable[Any]) -> dict[str, str]:
    """A dictionary of entries that are parsed already."""
    return dict(map(_pair, entries))
