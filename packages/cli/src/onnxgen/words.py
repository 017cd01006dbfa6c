"""How numbers are said."""


def counted(number: int, noun: str) -> str:
    """Returns a number with what it counts: ``1 node``, ``2 nodes``, ``1 234 nodes``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")
