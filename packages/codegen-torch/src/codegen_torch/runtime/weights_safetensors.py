"""Read safetensors: copied into models whose weights are stored so."""
# mypy: disable-error-code="import-untyped"

import json
from pathlib import Path

from safetensors import safe_open
from torch import Tensor


def load_safetensors(
    path: str | Path, model_id: str | None = None
) -> dict[str, Tensor]:
    """Map the tensors of a safetensors file, or of all files of an index."""
    path = Path(path)
    files = [path.name]
    if path.suffix == ".json":
        files = sorted(set(json.loads(path.read_text("utf-8"))["weight_map"].values()))
    if any(Path(file).name != file for file in files):
        raise ValueError(f"{path} names files that are not beside it")
    tensors: dict[str, Tensor] = {}
    for file in files:
        with safe_open(path.with_name(file), "pt") as content:
            names, metadata = list(content.keys()), content.metadata() or {}
            tensors |= {name: content.get_tensor(name) for name in names}
        if model_id and metadata.get("written with", model_id) != model_id:
            raise ValueError(
                f"{file} was written with another model.py, perhaps by a conversion "
                "that was cut short: convert again, or give load_model its path"
            )
        # A tensor of several names is stored once; the metadata tell the others.
        about_file = ("format", "written by", "written with")
        for name, owner in metadata.items():
            if owner in tensors and name not in about_file:
                tensors[name] = tensors[owner]
    return tensors
