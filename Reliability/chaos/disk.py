"""A small disk for one participant, which can be filled; needs the right to mount."""

import os
import subprocess
from pathlib import Path

MEGABYTES = 384


class Disk:
    """A tmpfs; None if it cannot be mounted."""

    participant = "ledger"

    def __init__(self, folder):
        self.folder = Path(folder)

    @classmethod
    def mounted(cls, folder):
        Path(folder).mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=755", "tmpfs",
                               str(folder)], capture_output=True, check=False)
        return cls(folder) if done.returncode == 0 else None

    def fill(self):
        """Fills the disk to the last page; returns the number of bytes."""
        ballast = os.open(self.folder / "ballast", os.O_CREAT | os.O_WRONLY)
        written, block = 0, b"\0" * 65536
        try:
            while len(block) >= 4096:
                try:
                    written += os.write(ballast, block)
                except OSError:
                    block = block[:len(block) // 2]
        finally:
            os.close(ballast)
        return written

    def free(self):
        (self.folder / "ballast").unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)
