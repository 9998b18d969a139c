"""A group of commands one of which needs not be named."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperGroup


class DefaultCommandGroup(TyperGroup):
    """What does not begin with a command's name, or ask for help, is for `default_command`.

    Something of the same name as a command is reached by naming the default one, too, or by `./NAME`.
    """

    default_command: ClassVar[str]

    # Typer's base class of contexts has no public name.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)
