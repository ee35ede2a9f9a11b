"""The runtime's session as everything here opens it: one provider, no words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

PROVIDERS = ["CPUExecutionProvider"]
THREADS = "TALARIA_THREADS"
"""How many threads a process computes on is said to it when it is started."""


def threads() -> int:
    """The threads that a session of this process computes on."""
    return int(os.environ.get(THREADS, "1"))


def session_options(*, profile: Path | None = None, optimised: Path | None = None) -> Any:
    """Options of a session.

    Args:
        profile: how the profile's path begins, where one is wanted.
        optimised: where the graph that really runs is written, if anywhere.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = threads()
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    return options


def open_session(model: bytes | str, options: Any = None) -> Any:
    """A session of a model, given as its bytes or its path."""
    import onnxruntime

    return onnxruntime.InferenceSession(
        model, session_options() if options is None else options, providers=PROVIDERS
    )
