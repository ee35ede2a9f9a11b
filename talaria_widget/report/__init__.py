"""The report: what a model costs on a device under a recipe, before and after."""

from talaria_widget.report.columns import Column
from talaria_widget.report.sources import Provenance
from talaria_widget.report.targets import check_targets
from talaria_widget.report.whole import Report, report, time_coverage

__all__ = ["Column", "Provenance", "Report", "check_targets", "report", "time_coverage"]
