"""Files with secrets in them: readable by their owner only, there whole or not at all."""

import os
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Writes a file with mode 0600, whatever stood there before with whatever mode."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    new.replace(file)
