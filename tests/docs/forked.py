"""A ``zhibao`` whose interpreter has started before it is asked: pages run hundreds of commands.

The server has everything imported and forks for each command, which then has the caller's
arguments, environment, folder and streams. What is left out is the start of an interpreter alone;
`tests.cli` and `tests.deploy` start real ones.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLIENT = """\
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as there:
    there.connect({address!r})
    asked = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(there, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    there.sendall(asked)
    told = there.recv(1)
sys.exit(told[0] if told else 70)
"""
TERMINAL = {"LANG": "C.UTF-8", "COLUMNS": "250", "TERM": "dumb"}
"""A wide terminal without colours."""

IMPORTED = (
    "cli.main", "cli.system", "cli.rule_files", "cli.rules_ahead", "audit.verify", "worker",
    "api.door.parts", "rules.check.checks", "files.roster", "services.campaigns.simulation",
)  # fmt: skip


@contextmanager
def started(folder: Path, root: Path) -> Iterator[Path]:
    """The program to put in the place of ``zhibao``, for as long as its server runs."""
    address, client = folder / "zhibao.sock", folder / "zhibao-client.py"
    client.write_text(CLIENT.format(address=str(address)))
    program = folder / "zhibao"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{client}" "$@"\n')
    program.chmod(0o755)
    # what is looked at while modules are imported is as the pages' commands have it
    environment = {**os.environ, **TERMINAL, "PYTHONPATH": str(root)}
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.docs.forked", str(address)],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    try:
        yield program
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def serve(address: str) -> None:
    """Forks for each command that is asked for, until terminated."""
    import importlib

    for name in IMPORTED:
        importlib.import_module(name)
    # whoever has ended is nobody's concern here: the command has told its caller how
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(16)
        print("ready", flush=True)
        while True:
            caller, _ = listening.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listening.close()
                code = run(caller)
                caller.sendall(bytes([code]))
                os._exit(0)
            caller.close()


def run(caller: socket.socket) -> int:
    """One command as its caller would have run it; its exit code."""
    size, streams, _, _ = socket.recv_fds(caller, 4, 3)
    asked = b""
    while len(asked) < int.from_bytes(size, "big"):
        asked += caller.recv(65536)
    words, environment, folder = json.loads(asked)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["zhibao", *words]
    from cli.main import app

    try:
        app()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve(sys.argv[1])
