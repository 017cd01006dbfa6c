"""How the command line behaves towards shells, pipes and terminals; every command is run as its users run it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from running import DIGITS

from onnxgen.commands import cli
from onnxgen.exits import Exit

README = Path(__file__).parent.parent / "README.md"
ONNXGEN = (sys.executable, "-m", "onnxgen")


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ONNXGEN, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def on_a_terminal(*arguments: str | Path, **environment: str) -> str:
    """What a terminal is sent by a command."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*ONNXGEN, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    process.wait()
    return b"".join(parts).decode()


def documented(shell: str) -> str:
    found = re.search(rf"_ONNXGEN_COMPLETE={shell}_source", README.read_text("utf-8"))
    assert found is not None
    return f"{shell}_source"


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_a_shell_gets_its_completion(shell: str, word: str) -> None:
    done = run(_ONNXGEN_COMPLETE=documented(shell))
    assert done.returncode == 0, done.stderr
    assert word in done.stdout
    assert "_ONNXGEN_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "at", "found"),
    [
        ("onnxgen ins", 1, ["inspect"]),
        ("onnxgen inspect --js", 2, ["--json"]),
        ("onnxgen convert --weights s", 3, ["safetensors"]),
    ],
)
def test_completion_completes(words: str, at: int, found: list[str]) -> None:
    done = run(_ONNXGEN_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(at))
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == found


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["inspct", "a.onnx"], "inspect"),
        (["vew"], "view"),
        (["inspect", "--jsn", "a.onnx"], "--json"),
        (["convert", "--forc", "a.onnx"], "--force"),
    ],
)
def test_what_was_misspelt_is_told_with_the_nearest(arguments: list[str], nearest: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.search(rf"(Did you mean|Possible).*{nearest}\b", done.stderr)


@pytest.mark.parametrize("command", [["inspect", DIGITS], ["check", DIGITS], ["ops"], ["convert", DIGITS, "-o", "out"]])
def test_json_is_all_that_stdout_gets(
    command: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*command, "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    assert done.stderr == ""


def test_every_command_that_tells_something_can_tell_it_as_json() -> None:
    writes_files = {"view", "weights"}
    without = {
        name for name, command in cli.commands.items() if not any("--json" in each.opts for each in command.params)
    }
    assert without == writes_files


def test_every_command_has_debug() -> None:
    commands: dict[str, click.Command] = dict(cli.commands)
    weights = commands.pop("weights")
    assert isinstance(weights, click.Group)
    for name, command in {**commands, **weights.commands}.items():
        assert any("--debug" in parameter.opts for parameter in command.params), name


def test_errors_go_to_stderr_without_a_traceback(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"nothing")
    for command in ("inspect", "check", "convert", "view"):
        done = run(command, bad)
        assert done.returncode == Exit.BAD_INPUT, command
        assert done.stdout == ""
        assert done.stderr.startswith("onnxgen: ")
        assert "bad.onnx" in done.stderr
        assert "Traceback" not in done.stderr
        assert "Traceback" in run(command, "--debug", bad).stderr


def test_exit_codes_are_documented() -> None:
    table = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", README.read_text("utf-8"), re.MULTILINE))
    assert set(map(int, table)) == {0, 2, *Exit}


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_they_are_not_wanted(environment: dict[str, str], tmp_path: Path) -> None:
    assert "\x1b[3" not in on_a_terminal("inspect", DIGITS, **environment)
    assert "\x1b[3" not in on_a_terminal("diff", DIGITS, DIGITS, **environment)
    assert "\x1b[3" not in on_a_terminal("convert", DIGITS, "-o", tmp_path / "out", **environment)


@pytest.mark.parametrize("command", [[], ["convert"], ["inspect"], ["weights", "convert"], ["verify"]])
def test_help_fits_a_narrow_terminal(command: list[str]) -> None:
    done = run(*command, "--help", COLUMNS="40")
    assert done.returncode == 0
    words = [line for line in done.stdout.splitlines() if len(line) > 40 and len(line.split()) > 1]
    assert words == []


def test_ctrl_c_before_a_command_begins(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from onnxgen import __main__

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["onnxgen", "ops"])
    monkeypatch.setattr(type(cli), "invoke", interrupted)
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == Exit.INTERRUPTED == 128 + signal.SIGINT
    assert capsys.readouterr().err.strip() == "onnxgen: interrupted"


def test_a_reader_that_goes_is_no_defect() -> None:
    process = subprocess.Popen([*ONNXGEN, "ops"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate()
    assert b"Traceback" not in errors
    assert b"defect" not in errors
