"""Secrets out of text that people send to others: by name, by form, and by the very value where it is known.

Too much is masked rather than too little; what is masked reads `***`.
"""

import base64
import json
import re
from collections.abc import Iterable

MASK = "***"
# Shorter values stand in every other word; the names below must do for them.
SHORTEST = 4
# Parts of names whose values are secrets; a name that ends in Ref, Name or Script's like only points to one.
_WORD = (r"[\w.-]*(?:passw|passphrase|secret|token|authkey|hacluster|community|credential|private[-_]?key|api[-_]?key"
         r"|hexadecimal_kg|identity_file|client-key-data)[\w.-]*")
_POINTS = r"(?<!Ref)(?<!Name)(?<!secrets)(?<!Path)"
# What is no secret whatever its name: numbers, times, truths, and structures, whose own names are looked at.
_HARMLESS = r"(?![\[{(&*|>]|(?:true|false|null|none|\d+(?:ms|s|m|h)?)[\"']?\s*(?:[,}\]]|$))"
_QUOTE = r"\\?[\"']?"
_RULES = (
    (re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL), MASK),
    (re.compile(rf"(<nvpair\b(?=[^>]*\bname=\"{_WORD}{_POINTS}\")[^>]*\bvalue=\")[^\"]*", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf"(\b{_WORD}{_POINTS}\\?[\"']?[ \t]*[:=][ \t]*\\?([\"']?)){_HARMLESS}(?!\*\*\*)"
                r"(?:(?<=\")(?:[^\"\\\n]|\\.)+|(?<=')[^'\n]+|[^\s\"'][^\n\"',;}]*)", re.IGNORECASE | re.MULTILINE),
     rf"\1{MASK}"),
    (re.compile(rf"(\bname{_QUOTE}:[ \t]*{_QUOTE}{_WORD}{_POINTS}{_QUOTE},?\s+{_QUOTE}value{_QUOTE}:[ \t]*)[^\n,}}]+",
                re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(\s(?:-P|--?passw(?:or)?d)[ =])\S+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), MASK),
    (re.compile(r"(\b(?:Bearer|Basic)\s+)[\w.~+/=-]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(\w://[^\s:/@]*:)[^\s@/]+(?=@)"), rf"\1{MASK}"),
)


def redacted(text: str, values: Iterable[bytes] = ()) -> str:
    """The text without secrets. `values`: those that are known."""
    for form in sorted(forms(values), key=len, reverse=True):
        text = text.replace(form, MASK)
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text


def forms(values: Iterable[bytes]) -> set[str]:
    """The ways in which programs write a value down."""
    found: set[str] = set()
    for value in values:
        if len(value) < SHORTEST:
            continue
        found.add(base64.b64encode(value).decode())
        plain = value.decode("utf-8", errors="ignore").strip()
        if len(plain) >= SHORTEST:
            found |= {plain, json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1],
                      plain.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")}
    return found
