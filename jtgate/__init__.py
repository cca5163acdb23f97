"""jtgate, a vehicle-terminal protocol gateway (JT/T 808, T/JSATL 12, JT/T 1078)."""


def release() -> str:
    """The version of this release, as pyproject.toml has it; "source" when jtgate was not installed."""
    from importlib import metadata  # noqa: PLC0415  slow to import and rarely asked

    try:
        return metadata.version("jtgate")
    except metadata.PackageNotFoundError:
        return "source"
