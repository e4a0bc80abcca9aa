"""Figures for the demo app's pages."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Room:
    """A storage room; temperatures in degrees Celsius, `trend` the last twelve readings."""

    name: str
    site: str
    target: float
    trend: tuple[float, ...]

    @property
    def temperature(self) -> float:
        return self.trend[-1]

    @property
    def state(self) -> str:
        drift = abs(self.temperature - self.target)
        return "ok" if drift < 1 else "watch" if drift < 2 else "alarm"

    @property
    def sparkline(self) -> str:
        """Points of an SVG polyline in a box of 110 by 28."""
        low, high = min(self.trend), max(self.trend)
        span = high - low or 1
        return " ".join(f"{index * 10},{25 - 22 * (value - low) / span:.1f}" for index, value in enumerate(self.trend))

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "temperature": self.temperature, "state": self.state}


ROOMS = (
    Room(
        "Blast freezer 1",
        "Harbour",
        -28,
        (-27.6, -27.9, -28.2, -28.1, -27.8, -28, -28.3, -28.2, -28, -27.9, -28.1, -28.2),
    ),
    Room(
        "Deep freeze A",
        "Harbour",
        -22,
        (-21.8, -22, -22.1, -22.3, -22.1, -21.9, -22, -22.2, -22.1, -22, -21.9, -22.1),
    ),
    Room("Chill hall", "North dock", 4, (3.8, 4, 4.1, 4, 4.2, 4.5, 4.7, 4.9, 5.1, 5.2, 5.3, 5.4)),
    Room("Pharma vault", "North dock", 5, (5, 5.1, 5, 4.9, 5, 5, 5.1, 5, 4.9, 5, 5, 5)),
    Room("Ripening room 2", "Orchard", 14, (14.1, 14, 13.9, 14, 14.2, 14.1, 14, 13.9, 14, 14.1, 14, 14.1)),
)

ALERTS = (
    ("Chill hall is 1.4 °C above target", "North dock · since 09:20", "watch"),
    ("Door of Deep freeze A open for 4 min", "Harbour · closed at 08:47", "ok"),
    ("Battery of sensor 118 at 15 %", "Orchard · change by Friday", "watch"),
)

REPORTS = (
    ("Temperature log, week 44", "Compliance", "All sites", "PDF · 1.2 MB"),
    ("HACCP deviations, October", "Compliance", "All sites", "PDF · 380 KB"),
    ("Energy by room, October", "Energy", "Harbour", "CSV · 96 KB"),
    ("Door openings, week 44", "Operations", "North dock", "CSV · 41 KB"),
    ("Alarm response times, Q3", "Operations", "All sites", "PDF · 540 KB"),
)
