#!/usr/bin/env bash
# python-barcode makes barcodes that a scanner reads as another number, or not at all, and says nothing.
#
# With:    python-barcode 0.16.1, read with zxing-cpp 3.1.1;
#          on Python 3.11.7, in December 2026.
# Guessed: a number that does not fit a symbology is refused, as EAN-13 refuses one of four digits.
# Seen:    one that is too short is refused, one that is too long is cut: two articles with the
#          same first digits get the same EAN-8. Code 39 gets a check character that nobody asked
#          for, and a scanner that expects none reads badge 4711 as 4711D. Of an ISSN, which needs
#          thirteen digits, it draws eight bars' worth that a reader does not find.
# So:      read back what you print; for badges Code 128 or QR.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check python-barcode==0.16.1 zxing-cpp==3.1.1 pillow==13.0.0

env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

import io

import barcode
import zxingcpp
from barcode.writer import ImageWriter
from PIL import Image


def read(symbology, number):
    """What a reader makes of the picture."""
    picture = io.BytesIO()
    made = barcode.get(symbology, number, writer=ImageWriter())
    made.write(picture, options={"write_text": False})
    return [found.text for found in zxingcpp.read_barcodes(Image.open(picture))]


def refused(symbology, number):
    try:
        barcode.get(symbology, number)
    except barcode.errors.BarcodeError as error:
        return type(error).__name__
    return None


check("EAN-8 of 4 digits", refused("ean8", "4711"), "NumberOfDigitsError")
check("EAN-8 of 13 digits", read("ean8", "4012345000016"), ["40123455"])
check("EAN-8 of 13 others", read("ean8", "4012345999999"), ["40123455"])
check("badge 4711 in Code 39", read("code39", "4711"), ["4711D"])
check("badge 4711 in Code 128", read("code128", "4711"), ["4711"])
check("an ISSN", read("issn", "2049-3630"), [])
check("of which it says", barcode.get("issn", "2049-3630").get_fullcode(), "97720492")
PYTHON
