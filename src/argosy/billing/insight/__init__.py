"""What money went for, what the month will cost, and what is unusual today."""

from argosy.billing.insight.anomalies import Anomaly, anomaly
from argosy.billing.insight.figures import CHARACTERS_PER_TOKEN_PERCENT, Figures, figures_of
from argosy.billing.insight.forecast import Forecast, forecast
from argosy.billing.insight.story import Insight, insight

__all__ = [
    "CHARACTERS_PER_TOKEN_PERCENT",
    "Anomaly",
    "Figures",
    "Forecast",
    "Insight",
    "anomaly",
    "figures_of",
    "forecast",
    "insight",
]
