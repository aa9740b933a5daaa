"""The picture of README.md: a terminal with what is in picture.txt, which goward has printed (tests/docs.rs prints it again and compares).
python3 docs/picture.py > docs/picture.svg"""

import html
import os

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "picture.txt"), encoding="utf-8") as file:
    lines = file.read().rstrip("\n").split("\n")

WIDTH, HEIGHT, LEFT, TOP = 8.4, 20, 20, 34  # of a character, of a line, of the margins
width = round(max(map(len, lines)) * WIDTH + 2 * LEFT)
height = len(lines) * HEIGHT + TOP + 14


def colour(line):
    if line.startswith("$"):
        return "#7ee787"
    if line.startswith("=>") or line.startswith("   ") and not line.strip()[:1].isdigit() and "all on" not in line:
        return "#ffd479"
    return "#e6edf3"


print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">')
print("<title id=\"title\">goward dump: a thousand goroutines wait for one channel, and the line where</title>")
print(f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>')
print('<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" xml:space="preserve">')
for number, line in enumerate(lines):
    if line:
        y = TOP + number * HEIGHT
        length = f'textLength="{len(line) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
        print(f'<text x="{LEFT}" y="{y}" {length} fill="{colour(line)}">{html.escape(line)}</text>')
print("</g>\n</svg>")
