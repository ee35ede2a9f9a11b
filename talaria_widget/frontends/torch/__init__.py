"""The torch front end: any `nn.Module` -> `Graph`, by one call-level trace."""

from talaria_widget.frontends.torch.entry import capture, record
from talaria_widget.frontends.torch.inputs.inputs import Prepared, prepare_inputs
from talaria_widget.frontends.torch.trace.recording import Call, Recording, Ref, Trace, Value
from talaria_widget.frontends.torch.wrappers import unwrap

__all__ = [
    "Call",
    "Prepared",
    "Recording",
    "Ref",
    "Trace",
    "Value",
    "capture",
    "prepare_inputs",
    "record",
    "unwrap",
]
