"""Names of the output: valid by construction, whatever text of a file they are made from."""

from __future__ import annotations

import keyword
import re
from collections.abc import Container
from typing import Self

# Attributes that nn.Module needs for itself.
_RESERVED = frozenset(
    """T add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
    extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules
    mtia named_buffers named_children named_modules named_parameters output_names parameters
    register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty
    train training type xpu zero_grad""".split()
)
_LONGEST = 64


class Identifier(str):
    """A name for an attribute, a parameter or a variable.

    ASCII only, so that no two names look alike; never a keyword or a name that ``nn.Module`` needs for itself.

    Raises:
        ValueError: The text is no such name.
    """

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        """The name itself, once it is seen to be one."""
        plain = name.isascii() and name.isidentifier()
        if not plain or keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _RESERVED:
            raise ValueError(f"{name!r} cannot be a name")
        return super().__new__(cls, name)

    @classmethod
    def like(cls, text: str, default: str = "value") -> Self:
        """A name that reads like ``text``, or the default where nothing of it is left."""
        name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[:_LONGEST].rstrip("_") or default
        if name[0].isdigit():
            name = f"{default}_{name}"
        if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _RESERVED:
            name += "_"
        return cls(name)


class ClassName(Identifier):
    """A name for a class."""

    __slots__ = ()

    @classmethod
    def like(cls, text: str, default: str = "Module") -> Self:
        """Words put together as classes are called: ``layer_norm`` is LayerNorm, and ``My_Layer`` stays My_Layer."""
        name = Identifier.like(text, default)
        if not name[0].isupper():
            name = Identifier.like("".join(word[:1].upper() + word[1:] for word in name.split("_")), default)
        return cls(name)


def numbered(name: str, taken: Container[str]) -> str:
    """The name, or the first of ``name2``, ``name3``, … that is not taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}{number}"
    return free


def fresh(name: str, taken: set[str]) -> str:
    """The name, with as many underscores as make it a new one; from now on it is taken."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def joined(path: str, name: str) -> str:
    """The path of a member of the module at a path; the model's own path is empty."""
    return f"{path}.{name}" if path else name


def singular(name: str) -> str:
    """What one entry of a list is called: ``layers`` holds a layer, as ``layers2`` does, ``h`` an ``h``."""
    name = name.rstrip("0123456789") or name
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    is_plural = name.endswith("s") and not name.endswith("ss") and len(name) > 2
    return name[:-1] if is_plural else name


def component(text: str) -> str:
    """One part of a member's path: an identifier, or a number inside a container."""
    return text if text.isdecimal() and text.isascii() and len(text) < 5 else Identifier.like(text, "module")
