#!/usr/bin/env bash
# The same link: in MarkdownV2 Telegram drops it without a word, as an entity it refuses the whole text.
#
# With:    tdjson 1.8.69 (Telegram's own library, offline), telegramify-markdown 1.4.1;
#          on Python 3.11.7, in December 2026.
# Guessed: a link to a host without a dot is a link, or is refused, whichever way it is written.
# Seen:    telegramify-markdown makes MarkdownV2, or text with entities, of the same Markdown. Of
#          `[badge](http://kiosk/7)` Telegram takes the first and shows plain words; for the second
#          it answers that the URL is invalid. `mailto:` is taken both ways, and leads to the host
#          `mailto` by http: what one clicks is `http://mailto:ada@example.org/`.
# So:      messages are sent as markup, never as entities, and
#          attendance/telegram/markdown/links.py says of a link what Telegram will make of it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check tdjson==1.8.69 telegramify-markdown==1.4.1 pyromark==0.10.3

env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

import json

import tdjson
from telegramify_markdown import convert, markdownify


def ask(**request):
    return json.loads(tdjson.td_execute(json.dumps(request).encode()))


def links(answer):
    """The text and its links, or why there is none."""
    if answer["@type"] == "error":
        return answer["message"]
    return answer["text"], [entity["type"]["url"] for entity in answer["entities"]]


def as_markup(text):
    mode = {"@type": "textParseModeMarkdown", "version": 2}
    request = {"@type": "parseTextEntities", "text": markdownify(text), "parse_mode": mode}
    return links(ask(**request))


def as_entities(text):
    plain, entities = convert(text)
    given = [
        {
            "@type": "textEntity",
            "offset": entity.offset,
            "length": entity.length,
            "type": {"@type": "textEntityTypeTextUrl", "url": entity.url},
        }
        for entity in entities
    ]
    formatted = {"@type": "formattedText", "text": plain, "entities": given}
    return links(ask(**{"@type": "parseMarkdown", "text": formatted}))


ask(**{"@type": "setLogVerbosityLevel", "new_verbosity_level": 0})
door = "[door](http://door.example.org/7)"
check("a link, as markup", as_markup(door), ("door", ["http://door.example.org/7"]))
check("a link, as entity", as_entities(door), ("door", ["http://door.example.org/7"]))
badge = "[badge](http://kiosk/7)"
check("no dot, as markup", as_markup(badge), ("badge", []))
check(
    "no dot, as entity",
    as_entities(badge),
    "Entity URL 'http://kiosk/7' is invalid: Wrong HTTP URL",
)
mail = "[write](mailto:ada@example.org)"
check("mailto, as markup", as_markup(mail), ("write", ["http://mailto:ada@example.org/"]))
check("mailto, as entity", as_entities(mail), ("write", ["http://mailto:ada@example.org/"]))
PYTHON
