"""Evidence about a function: passive from its telemetry, active by invoking it, always restored."""

from lambda_autotuner.measurement.active import preview, tune
from lambda_autotuner.measurement.options import Options, Preview, Progress
from lambda_autotuner.measurement.passive import recommend
from lambda_autotuner.measurement.payloads import Payload, PayloadMix
from lambda_autotuner.measurement.processors import Processor, Processors
from lambda_autotuner.measurement.repairing import Repair, repair
from lambda_autotuner.measurement.results import NotApplicable, Sized
from lambda_autotuner.sizing.choices import Choices

__all__ = [
    "Choices",
    "NotApplicable",
    "Options",
    "Payload",
    "PayloadMix",
    "Preview",
    "Processor",
    "Processors",
    "Progress",
    "Repair",
    "Sized",
    "preview",
    "recommend",
    "repair",
    "tune",
]
