#!/usr/bin/env bash
# Telegram deletes three of the 112 combining marks U+0300 to U+036F, the ring of a decomposed Å among them.
#
# With:    tdjson 1.8.69, Telegram's own library, offline;
#          on Python 3.11.7, in December 2026.
# Guessed: text is kept as it is, but for control characters.
# Seen:    parseTextEntities, which one tests markup with, keeps all; parseMarkdown, which cleans
#          as sending does, drops U+030A, U+0333 and U+033F, and leaves the other 109. A name from
#          a Mac's file name, Å as A and ring, arrives as Ada; é as e and acute arrives. Offsets of
#          whatever follows move by one.
# So:      text is composed (NFC) before it is cut and sent: attendance/telegram/markdown/text.py.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check tdjson==1.8.69

env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

import json
import unicodedata

import tdjson


def ask(**request):
    return json.loads(tdjson.td_execute(json.dumps(request).encode()))


def parsed(text):
    mode = {"@type": "textParseModeMarkdown", "version": 2}
    return ask(**{"@type": "parseTextEntities", "text": text, "parse_mode": mode})["text"]


def cleaned(text):
    formatted = {"@type": "formattedText", "text": text, "entities": []}
    return ask(**{"@type": "parseMarkdown", "text": formatted})["text"]


ask(**{"@type": "setLogVerbosityLevel", "new_verbosity_level": 0})
decomposed = unicodedata.normalize("NFD", "Åda und José")
check("parsed", parsed(decomposed) == decomposed, True)
check("cleaned", unicodedata.normalize("NFC", cleaned(decomposed)), "Ada und José")
check("composed, then cleaned", cleaned("Åda und José"), "Åda und José")
marks = [chr(code) for code in range(0x300, 0x370)]
gone = [f"U+{ord(mark):04X}" for mark in marks if cleaned(f"x{mark}y") == "xy"]
check(f"gone of {len(marks)}", gone, ["U+030A", "U+0333", "U+033F"])
PYTHON
