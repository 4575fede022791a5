"""Two drawings for the README, as SVG: a comparison and a curve. No library: they are rectangles, lines and text."""

from xml.sax.saxutils import escape

STYLE = "font-family='sans-serif' font-size='13'"


def svg(path, width, height, parts):
    with open(path, "w") as file:
        file.write(f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}'>\n")
        file.write(f"<rect width='{width}' height='{height}' fill='white'/>\n")
        file.write("\n".join(parts))
        file.write("\n</svg>\n")


def bars(path, title, table, date):
    """One bar for each, its median as its length and its deciles as a line."""
    left, scale_to, row = 190, 420, 30
    longest = max(r["p90_ms"] for r in table.values())
    at = lambda ms: left + ms / longest * scale_to
    parts = [f"<text x='10' y='22' {STYLE} font-weight='bold'>{escape(title)}, milliseconds ({date})</text>"]
    for number, (name, r) in enumerate(sorted(table.items(), key=lambda item: item[1]["median_ms"])):
        y = 40 + number * row
        colour = "#2f6f9f" if name.startswith("lazaret") else "#b8b8b8"
        parts += [
            f"<text x='{left - 10}' y='{y + 15}' {STYLE} text-anchor='end'>{escape(name)}</text>",
            f"<rect x='{left}' y='{y}' width='{at(r['median_ms']) - left:.1f}' height='20' fill='{colour}'/>",
            f"<line x1='{at(r['p10_ms']):.1f}' x2='{at(r['p90_ms']):.1f}' y1='{y + 10}' y2='{y + 10}' stroke='black'/>",
            f"<text x='{at(r['p90_ms']) + 8:.1f}' y='{y + 15}' {STYLE}>{r['median_ms']:.1f}</text>",
        ]
    svg(path, left + scale_to + 70, 50 + row * len(table), parts)


def curve(path, starts, date):
    """How long each start takes while more and more containers run."""
    width, height, left, bottom = 640, 260, 50, 30
    highest = max(starts)
    x = lambda number: left + number / max(1, len(starts) - 1) * (width - left - 20)
    y = lambda ms: height - bottom - ms / highest * (height - bottom - 40)
    points = " ".join(f"{x(n):.1f},{y(ms):.1f}" for n, ms in enumerate(starts))
    parts = [
        f"<text x='10' y='22' {STYLE} font-weight='bold'>start of one more container, milliseconds, beside those that run ({date})</text>",
        f"<polyline points='{points}' fill='none' stroke='#2f6f9f'/>",
        f"<line x1='{left}' x2='{width - 20}' y1='{height - bottom}' y2='{height - bottom}' stroke='black'/>",
        f"<text x='{left - 8}' y='{y(highest) + 5:.1f}' {STYLE} text-anchor='end'>{highest:.0f}</text>",
        f"<text x='{left - 8}' y='{height - bottom + 5}' {STYLE} text-anchor='end'>0</text>",
        f"<text x='{width - 20}' y='{height - 8}' {STYLE} text-anchor='end'>{len(starts)} containers</text>",
    ]
    svg(path, width, height, parts)
