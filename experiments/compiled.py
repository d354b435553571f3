"""Where compiled programs are kept, so that the next start need not compile them."""

from __future__ import annotations

import hashlib
import os
import pathlib
import platform
import stat

import jax
from absl import flags

from experiments.command import say
from pnag_jax.errors import UsageError, UserError
from pnag_jax.training import files

# They belong to the program that calls ``define``: its --help shows them.
flags.disclaim_key_flags()

# Beyond it, what was used least recently goes.
_MOST_BYTES = 2 * 2**30


def define(values: flags.FlagValues = flags.FLAGS) -> None:
    """The flag --compilation_cache."""
    flags.DEFINE_string(
        "compilation_cache",
        "auto",
        "Folder that keeps compiled programs, or off; auto: that of JAX_COMPILATION_CACHE_DIR,"
        " else pnag_jax in the user's cache folder.",
        flag_values=values,
    )


def use(given: str) -> None:
    """Does what the flag says; to be called before anything is compiled.

    What is kept is machine code that later runs execute.  A folder that others
    can write to is therefore refused, and processors that differ in their
    instructions use folders of their own.

    Args:
      given: "auto", "off" or a folder.

    Raises:
      UsageError: the folder is not accepted.
    """
    if given == "off":
        jax.config.update("jax_enable_compilation_cache", False)
        return
    if given == "auto" and jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    try:
        folder = prepare(default_folder() if given == "auto" else pathlib.Path(given).absolute())
    except UserError as error:
        if given != "auto":
            raise UsageError(f"--compilation_cache={given}: {error}") from error
        say(f"compiled programs are not kept: {error}")
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # A program in a hundred takes a second to compile, and all others together far longer.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def default_folder() -> pathlib.Path:
    """``pnag_jax`` in the user's cache folder, by the XDG base directory specification.

    Raises:
      UserError: the user has no folder.
    """
    # That specification: a relative path is to be ignored.
    for root in (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache")):
        if os.path.isabs(root):
            return pathlib.Path(root) / "pnag_jax"
    raise UserError("HOME is not set")


def prepare(folder: pathlib.Path) -> pathlib.Path:
    """Makes the folder of this machine in ``folder``, and makes room in it.

    Raises:
      UserError: it cannot be written, or others can write to it.
    """
    own = folder / fingerprint()
    with files.writing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own.mkdir(mode=0o700, exist_ok=True)
    for path in (folder, own):
        status = path.stat()
        if status.st_uid not in (0, os.getuid()) or status.st_mode & stat.S_IWOTH:
            raise UserError(f"{path}: others can write to it, and what it holds is executed")
    if not os.access(own, os.W_OK | os.X_OK):
        raise UserError(f"{own}: cannot write")
    make_room(own, _MOST_BYTES)
    return own


def fingerprint() -> str:
    """Names the instructions of this processor, ``x86_64-0123456789ab``."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    kinds = sorted({line for line in lines if line.startswith(("flags", "Features"))})
    digest = hashlib.sha256("\n".join([platform.processor(), *kinds]).encode())
    return f"{platform.machine()}-{digest.hexdigest()[:12]}"


def make_room(folder: pathlib.Path, most: int) -> None:
    """Deletes the files that were used least recently until ``most`` bytes are left."""
    found = []
    for path in folder.iterdir():
        try:
            status = path.stat()
        except OSError:
            continue  # another process makes room too
        if stat.S_ISREG(status.st_mode):
            found.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most:
            return
        path.unlink(missing_ok=True)
        total -= size
