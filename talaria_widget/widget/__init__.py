"""The widget: a model's report in a notebook, changed by clicks and by code alike."""

from talaria_widget.widget.cells import replaced_by
from talaria_widget.widget.talaria import Talaria

__all__ = ["Talaria", "replaced_by"]
