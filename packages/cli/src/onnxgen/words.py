"""How numbers are said."""


def spaced(number: int) -> str:
    """Returns a number with its digits in groups of three: ``1 234``."""
    return f"{number:,}".replace(",", " ")


def counted(number: int, noun: str) -> str:
    """Returns a number with what it counts: ``1 node``, ``2 nodes``, ``1 234 nodes``."""
    return f"{spaced(number)} {noun}{'' if number == 1 else 's'}"


def size(nbytes: int) -> str:
    """Returns a number of bytes in the largest unit that leaves at least one of it: ``512 B``, ``1.5 MB``."""
    amount = float(nbytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{nbytes} B" if unit == "B" else f"{amount:.1f} {unit}"
