"""The command line: a group whose verbs are the files of ``verify/commands/``, loaded only when called."""

from __future__ import annotations

import errno
import pkgutil
import sys
import traceback
from importlib import import_module
from pathlib import Path

import click

import verify.commands
from verify.selection import nearest
from verify.settings import read_settings

EXIT_USAGE, EXIT_ERROR, EXIT_INTERRUPTED = 2, 3, 130
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # not the user's input: the machine's condition


class _Verbs(click.Group):
    """Finds ``verify.commands.NAME:command``; the help of the group costs no more than their docstrings."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(verify.commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            near = nearest(cmd_name, self.list_commands(ctx))
            hint = f"did you mean {near!r}?" if near else "see `saddle-escape --help`"
            raise click.UsageError(f"there is no command {cmd_name!r}: {hint}")
        command: click.Command = import_module(f"verify.commands.{cmd_name.replace('-', '_')}").command
        return command


@click.command(
    cls=_Verbs,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "SADDLE_ESCAPE",
        "max_content_width": 100,
    },
)
@click.version_option(package_name="saddle-escape", message="saddle-escape %(version)s")
@click.pass_context
def group(ctx: click.Context) -> None:
    """Verify the theorems of saddle escape in deep nonlinear networks.

    A symbolic witness derives what must happen, a numeric one measures what does, a judge compares the two and
    writes a report. Options come from the command line, else from SADDLE_ESCAPE_RUN_TIER and its like, else from
    [tool.saddle-escape] in pyproject.toml.
    """
    try:
        ctx.default_map = {"run": read_settings(Path.cwd())}
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def main() -> None:
    """Entry point. A ``ValueError`` of bad input is one sentence and exit code 2, a defect of ours 3, Ctrl-C 130."""
    try:
        code = group.main(prog_name="saddle-escape", standalone_mode=False)
    except BrokenPipeError:
        sys.stderr.close()  # the reader (head, less) has gone; nothing is wrong
        code = 0
    except click.Abort:
        code = _said("interrupted", EXIT_INTERRUPTED)
    except click.ClickException as error:
        code = _said(error.format_message(), EXIT_USAGE)
    except (ValueError, OSError) as error:
        broken = isinstance(error, OSError) and error.errno in DISK
        code = _said(str(error), EXIT_ERROR if broken else EXIT_USAGE)
    except MemoryError as error:
        code = _said(str(error) or "there is not enough memory for this", EXIT_ERROR)
    except Exception:  # a defect of ours: Python's own exit code 1 would say that a theorem has failed
        traceback.print_exc()
        code = EXIT_ERROR
    sys.exit(code)


def _said(sentence: str, code: int) -> int:
    """Print one line to the standard error; what a file brought into it cannot command the terminal."""
    from verify.results import printable  # not at the top: --help does without it

    print(f"saddle-escape: {printable(' '.join(sentence.split()))}", file=sys.stderr)
    return code
