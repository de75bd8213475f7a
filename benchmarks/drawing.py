"""Lines as SVG: enough for a page of documentation, and the same bytes every time."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 700, 300, 60, 44, 34, 210
COLOURS = ("#0b6e99", "#d9730d", "#0f7b6c", "#ad1a72")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]

    @classmethod
    def by_percentile(cls, name: str, seconds: Sequence[float]) -> "Line":
        """The slower half, in milliseconds."""
        took = sorted(seconds)
        percentiles = [50 + step / 2 for step in range(100)]
        points = [(percentile, 1000 * took[int(len(took) * percentile / 100)]) for percentile in percentiles]
        return cls(name=name, points=points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    title: str
    x: str
    y: str
    lines: Sequence[Line]

    def svg(self) -> str:
        xs = [x for line in self.lines for x, _ in line.points]
        ys = [y for line in self.lines for _, y in line.points]
        scale = _Scale(min(xs), max(xs), 0.0, max(ys) * 1.05)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'font-family="sans-serif" font-size="12"><title>{self.title}</title>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            _text(LEFT, 20, self.title, size=14),
            _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, self.x, anchor="middle"),
            _text(LEFT, TOP - 2, self.y),
        ]
        parts += _axes(scale)
        for at, line in enumerate(self.lines):
            colour = COLOURS[at % len(COLOURS)]
            path = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in line.points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts.append(_text(WIDTH - RIGHT + 12, TOP + 18 * (at + 1), line.name, colour=colour))
        return "\n".join([*parts, "</svg>\n"])


@dataclass(frozen=True, slots=True)
class _Scale:
    left: float
    right: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return LEFT + (value - self.left) / (self.right - self.left) * (WIDTH - RIGHT - LEFT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - BOTTOM - TOP)


def _axes(scale: _Scale) -> list[str]:
    parts = []
    for step in range(5):
        y = scale.low + (scale.high - scale.low) * step / 4
        x = scale.left + (scale.right - scale.left) * step / 4
        at = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{scale.y(y):.1f}" y2="{scale.y(y):.1f}"'
        parts.append(f'<line {at} stroke="#ddd"/>')
        parts.append(_text(LEFT - 6, scale.y(y) + 4, f"{y:.3g}", anchor="end"))
        parts.append(_text(scale.x(x), HEIGHT - BOTTOM + 16, f"{x:.3g}", anchor="middle"))
    return parts


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "#333"
) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{text}</text>'
