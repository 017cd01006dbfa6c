import io

from onnxgen.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def follow(stream: io.StringIO, patience: float) -> Progress:
    with Progress(stream, patience=patience) as progress:
        progress("clean [bold]", 0, 1)
        progress("lower", 1, 4)
        progress("lower", 4, 4)
        progress("emit", 1, 1)
    return progress


def test_shows_a_bar_on_a_terminal() -> None:
    terminal = Terminal()
    follow(terminal, patience=0)
    assert "clean [bold]" in terminal.getvalue()
    assert "emit" in terminal.getvalue()


def test_says_nothing_elsewhere() -> None:
    stream = io.StringIO()
    follow(stream, patience=0)
    assert stream.getvalue() == ""


def test_says_nothing_where_it_was_quick() -> None:
    terminal = Terminal()
    follow(terminal, patience=60)
    assert terminal.getvalue() == ""


def test_measures_each_stage() -> None:
    progress = follow(io.StringIO(), patience=0)
    assert list(progress.seconds) == ["clean [bold]", "lower", "emit"]
    assert all(0 <= seconds < 60 for seconds in progress.seconds.values())
