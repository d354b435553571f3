"""Several processes as one run: how they find each other, and how they agree.

The first process leads: it alone reads and writes the files of the run.  All
others hold the same state, compute their share, and follow what the leader
tells.  Without :func:`join` there is one process, and it leads.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import importlib.util
import json
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Sharding

from pnag_jax.errors import DataError, UsageError, UserError

PyTree = Any

# A follower has nothing left to do once training ends and waits for the leader,
# whose search may take days; should the leader die, its heartbeats stop.
_SECONDS_TO_END = 14 * 24 * 3600
# Launchers tell each process of how many it is one.
_COUNTS = ("OMPI_COMM_WORLD_SIZE", "MEGASCALE_NUM_SLICES")

_PAGE = 4096

# What the libraries of collective operations say of a process that is gone.
_LOST = re.compile(r"Gloo|NCCL|UNAVAILABLE|Connection closed")


def detected(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a launcher seems to have started this process as one of several.

    True for a Slurm step or an Open MPI job of more than one task, a TPU of
    more than one host, and where ``JAX_COORDINATOR_ADDRESS`` is set.  Values
    are left to the detection of ``jax.distributed``.
    """
    if "JAX_COORDINATOR_ADDRESS" in environment or "," in environment.get(
        "TPU_WORKER_HOSTNAMES", ""
    ):
        return True
    counts = [environment.get(name, "") for name in _COUNTS]
    if "SLURM_STEP_NODELIST" in environment:  # not in the shell of an allocation
        counts.append(environment.get("SLURM_NTASKS", ""))
    return any(count.isdecimal() and int(count) > 1 for count in counts)


def on_cloud_tpu() -> bool:
    """Whether this is a TPU machine, whose metadata alone may tell of others."""
    driver = glob.glob("/dev/accel*") or glob.glob("/dev/vfio/[0-9]*")
    return bool(driver) and importlib.util.find_spec("libtpu") is not None


def join(
    address: str | None = None,
    process_id: int | None = None,
    process_count: int | None = None,
    *,
    seconds: int = 300,
    seconds_to_miss: int = 60,
    give_up: Callable[[UserError], NoReturn],
) -> None:
    """Makes this process one of several; to be called before JAX is used.

    Args:
      address: ``host:port`` of the process with id 0; all three are left to
        the detection of ``jax.distributed`` where it is None.
      process_id: of this process.
      process_count: of how many it is one.
      seconds: how long to wait for the others.
      seconds_to_miss: without a sign of life of one process, after which JAX
        ends all others (by an abort whose message names it).
      give_up: ends the program, from any thread, with a message.

    Raises:
      UserError: nothing was detected, or the address cannot be used.
    """
    where = address or "the detected address"
    late = UserError(
        f"process {process_id if process_id is not None else '(detected)'}:"
        f" not all processes met at {where} within {seconds} seconds; is process 0 there,"
        " and reachable from here, and have all been started with the same process count?"
    )
    # JAX's own way to end a wait is to abort the process with a stack trace.
    limit = threading.Timer(seconds, give_up, [late])
    limit.daemon = True
    limit.start()
    # Its handler of SIGTERM would take the place of ours.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            address,
            process_count,
            process_id,
            cluster_detection_method=None if address is None else "deactivate",
            initialization_timeout=seconds + 60,
            heartbeat_timeout_seconds=seconds_to_miss,
            shutdown_timeout_seconds=_SECONDS_TO_END,
        )
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"cannot join the other processes at {where}: {error}") from error
    finally:
        limit.cancel()


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Around all work: a process that loses the others, or fails, does not wait for them.

    Raises:
      UserError: another process was lost.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if count() == 1:
            raise
        if isinstance(error, jax.errors.JaxRuntimeError) and _LOST.search(str(error)):
            raise UserError(
                "another process ended or cannot be reached; what it said tells why, and the same"
                " command resumes"
            ) from error
        # The end of the interpreter would wait for processes that wait for this one.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def count() -> int:
    """The number of processes; does not start a backend where there is one."""
    return jax.process_count() if jax.distributed.is_initialized() else 1


def index() -> int:
    """Which of them this is, from 0."""
    return jax.process_index() if jax.distributed.is_initialized() else 0


def leads() -> bool:
    """Whether this process reads and writes the files of the run."""
    return index() == 0


def told(tree: PyTree) -> PyTree:
    """The leader's numbers, on all processes.

    Args:
      tree: leaves of the same shapes and dtypes on all; jax and numpy arrays,
        typed PRNG keys, Python numbers.

    Returns:
      numpy arrays; keys as keys.
    """
    if count() == 1:
        return tree
    packed = _pack(tree)
    return _unpack(np.asarray(multihost_utils.broadcast_one_to_all(packed)), tree)


def gathered(tree: PyTree) -> list[PyTree]:
    """Every process's numbers, by process, on all; leaves and errors as of :func:`told`."""
    if count() == 1:
        return [tree]
    return [_unpack(row, tree) for row in multihost_utils.process_allgather(_pack(tree))]


def _pack(tree: PyTree) -> np.ndarray:
    """One buffer of bytes: one program to send it, and nothing is rounded."""
    return np.frombuffer(b"".join(x.tobytes() for x in _raw(tree)), np.uint8)


def _unpack(packed: np.ndarray, tree: PyTree) -> PyTree:
    leaves, structure = jax.tree.flatten(tree)
    found, start = [], 0
    for leaf, x in zip(leaves, _raw(tree), strict=True):
        part: Any = np.frombuffer(packed[start : start + x.nbytes].tobytes(), x.dtype)
        part = part.reshape(x.shape)
        if is_key(leaf):
            part = jax.random.wrap_key_data(part, impl=jax.random.key_impl(leaf))
        found.append(part)
        start += x.nbytes
    return jax.tree.unflatten(structure, found)


def _raw(tree: PyTree) -> list[np.ndarray]:
    leaves = jax.tree.leaves(tree)
    return [np.asarray(jax.random.key_data(x) if is_key(x) else x) for x in leaves]


def highest(number: int) -> int:
    """The highest of all processes' numbers."""
    if count() == 1:
        return number
    return int(np.max(multihost_utils.process_allgather(np.int32(number))))


def agree(fault: UserError | None) -> None:
    """Makes a fault of one process, the first that has one, one of all.

    Args:
      fault: of this process, None where there is none.

    Raises:
      UserError: or of its kinds, as it is.
    """
    if count() == 1:
        if fault is not None:
            raise fault
        return
    said = texts("" if fault is None else json.dumps([fault.exit_code, str(fault)]))
    for number, text in enumerate(said):
        if text and number == index() and fault is not None:
            raise fault
        if text:
            code, message = json.loads(text)
            kinds = {kind.exit_code: kind for kind in (UserError, UsageError, DataError)}
            raise kinds.get(code, UserError)(message)


def require_same(tree: PyTree, what: str) -> None:
    """Refuses to go on where processes hold different arrays.

    Args:
      tree: jax and numpy arrays.
      what: they are, for the message.

    Raises:
      UserError: naming the first process that differs from the leader.
    """
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    digests = texts(digest.hexdigest())
    for number, other in enumerate(digests):
        if other != digests[0]:
            raise UserError(f"process {number} and process 0 differ in {what}")


def texts(text: str) -> list[str]:
    """Every process's text, by process; those of all alike cost one digest each."""
    if count() == 1:
        return [text]
    raw = np.frombuffer(text.encode(), np.uint8)
    digest = np.frombuffer(hashlib.sha256(raw.tobytes()).digest(), np.uint8)
    digests = multihost_utils.process_allgather(digest)
    if (digests == digests[0]).all():
        return [text] * count()
    lengths = multihost_utils.process_allgather(np.int32(len(raw)))
    # In whole pages: texts of other lengths need no other program.
    room = -(-int(lengths.max()) // _PAGE) * _PAGE
    padded = np.pad(raw, (0, room - len(raw)))
    gathered = multihost_utils.process_allgather(padded)
    return [row[:n].tobytes().decode() for row, n in zip(gathered, lengths, strict=True)]


def put(tree: PyTree, sharding: Sharding) -> PyTree:
    """``jax.device_put``, for devices of other processes too.

    Args:
      tree: the same on all processes.
      sharding: of every leaf.
    """
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def place(x: Any) -> jax.Array:
        if is_key(x):
            return jax.random.wrap_key_data(
                place(jax.random.key_data(x)), impl=jax.random.key_impl(x)
            )
        host = np.asarray(x)
        # Unlike device_put, it does not ask all processes whether they agree.
        return jax.make_array_from_callback(host.shape, sharding, lambda part: host[part])

    return jax.tree.map(place, tree)


def is_key(x: Any) -> bool:
    """Whether ``x`` is an array of typed PRNG keys."""
    dtype = getattr(x, "dtype", None)
    return dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)
