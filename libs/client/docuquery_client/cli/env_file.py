"""What stands in `.env`, where the command line has to know a setting of the services."""

from __future__ import annotations

from pathlib import Path


def env_file(path: Path) -> dict[str, str]:
    """The plain `KEY=value` lines of an environment file, which the services read themselves.

    Ports, hosts and plain words are looked at here, so there is no expansion of variables.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found = {}
    for line in lines:
        key, separator, value = line.strip().removeprefix("export ").partition("=")
        if separator and not key.startswith("#"):
            found[key.strip()] = value.split(" #")[0].strip().strip("'\"")
    return {key: value for key, value in found.items() if value}
