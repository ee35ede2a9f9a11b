"""Pictures of a report for a page of one's own, by Altair: the same as the widget's charts.

Each function takes a `Report` and returns an Altair chart. Data are inline and in SI units, and
nothing is fetched. What is unknown is left out and counted in the subtitle, never drawn as 0.
"""

from talaria_widget.charts.alive import memory
from talaria_widget.charts.comparison import compare
from talaria_widget.charts.costs import by_type
from talaria_widget.charts.order import timeline
from talaria_widget.charts.roofs import roofline

__all__ = ["by_type", "compare", "memory", "roofline", "timeline"]
