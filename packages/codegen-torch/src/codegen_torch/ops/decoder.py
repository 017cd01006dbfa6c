"""Images from encoded files."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.symbols.namespaces import runtime


@op("ImageDecoder", since=20)
def image_decoder(stream: Expr, *, pixel_format: str = "RGB") -> Expr:
    """The generated model needs Pillow for it."""
    if pixel_format not in ("RGB", "BGR", "Grayscale"):
        raise NotApplicable(f"pixel_format {pixel_format!r} is not known")
    return runtime.decode_image(stream, pixel_format)  # type: ignore[no-any-return]
