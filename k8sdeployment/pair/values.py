"""The small value types of the CR: durations, names and addresses, each with the sentence that refuses a bad one.

Every type says its rule twice, side by side and with one sentence: for Python, and as a schema with CEL for the API.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any, Union

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from k8sdeployment.pair.cel import listed, quoted, validation

Schema = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """The form of a text: a regular expression that Python and RE2 read alike, and a length in characters."""

    pattern: str
    longest: int
    wrong: str

    def check(self, text: str) -> str:
        """The text itself; ValueError with the sentence for any other form."""
        if len(text) > self.longest or not re.fullmatch(self.pattern, text):
            raise ValueError(self.wrong.format(value=text))
        return text

    def schema(self) -> Schema:
        """The same for the API server."""
        rule = validation(f"self.matches({quoted(f'^({self.pattern})$')})", self.wrong, {"value": "self"})
        return {"type": "string", "maxLength": self.longest, "x-kubernetes-validations": [rule]}


_PART = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
LABEL = Form(_PART, 63, "'{value}' is not a valid name; use lower-case letters, digits and '-' (at most 63)")
SUBDOMAIN = Form(rf"{_PART}(\.{_PART})*", 253,
                 "'{value}' is not a valid name; use lower-case letters, digits, '-' and '.' (at most 253)")
KEY = Form("[-._a-zA-Z0-9]+", 253, "'{value}' is not a key of a Secret; use letters, digits, '-', '_' and '.'")
AGENT = Form("fence_[a-z0-9_]+", 63, "'{value}' is not a fence agent; write the name of its program, fence_ipmilan say")
PATH = Form("/[-._/a-zA-Z0-9]+", 255, "'{value}' is not the path of a device; write it whole, /dev/watchdog say")
RESOURCE = Form(rf"{_PART}(\.{_PART})*/[-._a-zA-Z0-9]{{1,63}}", 317, "'{value}' is not the name of a device plugin's "
                "resource; write it as the node's status does, example.org/watchdog say")
HOST = Form("[-.:a-zA-Z0-9]+", 253, "'{value}' is neither a host name nor an IP address")
TEXT = Form("[^\\x00-\\x1f\\x7f]+", 1024, "must be one line of text, neither empty nor with control characters")
DURATION = Form("[0-9]{1,6}(ms|s|m|h)", 8, "'{value}' is not a duration; write a whole number of at most six digits "
                "and its unit, such as 500ms, 10s, 2m or 1h")

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
SHORTEST_TOKEN, LONGEST_TOKEN = 500, 300_000
_TOKEN_WRONG = "'{value}' is out of bounds; a token is at least 500ms, at most 300s"

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
NO_ADDRESS = "'{value}' is not an IP address; write the site's own IPv4 or IPv6 address"
UNREACHABLE = "{value} cannot be reached by the other site; write the site's own unicast address"


def milliseconds(text: Any) -> int:
    """`"1500ms"`, `"10s"`, `"2m"` or `"1h"` as milliseconds; ValueError for anything else, also for a bare number."""
    if not isinstance(text, str):
        raise ValueError(DURATION.wrong.format(value=text))
    number, unit = re.split("(?=[a-z])", DURATION.check(text), maxsplit=1)
    return int(number) * _MILLISECONDS[unit]


def _token(text: Any) -> int:
    if not SHORTEST_TOKEN <= (found := milliseconds(text)) <= LONGEST_TOKEN:
        raise ValueError(_TOKEN_WRONG.format(value=text))
    return found


def _token_schema() -> Schema:
    form = DURATION.schema()
    bounds = (f"!self.matches({quoted(f'^{DURATION.pattern}$')}) || (duration(self) >= duration('{SHORTEST_TOKEN}ms') "
              f"&& duration(self) <= duration('{LONGEST_TOKEN}ms'))")
    form["x-kubernetes-validations"].append(validation(bounds, _TOKEN_WRONG, {"value": "self"}))
    return form


def link_address(text: Any) -> Address:
    """The IP address of a cluster link; ValueError for a host name and for addresses that no peer can reach."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(NO_ADDRESS.format(value=text)) from None
    if not isinstance(text, str) or "%" in text or getattr(address, "ipv4_mapped", None):
        raise ValueError(NO_ADDRESS.format(value=text))
    if address.is_loopback or address.is_multicast or address.is_unspecified or text == "255.255.255.255":
        raise ValueError(UNREACHABLE.format(value=text))
    return address


def _address_schema() -> Schema:
    return {"type": "string", "maxLength": 45, "x-kubernetes-validations": [
        validation("isIP(self)", NO_ADDRESS, {"value": "self"}),
        validation("!isIP(self) || ip(self).isGlobalUnicast() || ip(self).isLinkLocalUnicast()",
                   UNREACHABLE, {"value": "self"}),
    ]}


def duration(number: int) -> str:
    """Milliseconds as the CR writes them, in digits that a duration may have."""
    if number >= 1000 * 10 ** 6:
        return f"{number // 3_600_000}h"
    return f"{number // 1000}s" if number % 1000 == 0 else f"{number}ms"


_Written = PlainSerializer(duration, when_used="json")
Milliseconds = Annotated[int, BeforeValidator(milliseconds), _Written, WithJsonSchema(DURATION.schema())]
Token = Annotated[int, BeforeValidator(_token), _Written, WithJsonSchema(_token_schema())]
LinkAddress = Annotated[Address, BeforeValidator(link_address), WithJsonSchema(_address_schema())]
Label = Annotated[str, AfterValidator(LABEL.check), WithJsonSchema(LABEL.schema())]
Subdomain = Annotated[str, AfterValidator(SUBDOMAIN.check), WithJsonSchema(SUBDOMAIN.schema())]
Key = Annotated[str, AfterValidator(KEY.check), WithJsonSchema(KEY.schema())]
AgentName = Annotated[str, AfterValidator(AGENT.check), WithJsonSchema(AGENT.schema())]
DevicePath = Annotated[str, AfterValidator(PATH.check), WithJsonSchema(PATH.schema())]
ResourceName = Annotated[str, AfterValidator(RESOURCE.check), WithJsonSchema(RESOURCE.schema())]
Host = Annotated[str, AfterValidator(HOST.check), WithJsonSchema(HOST.schema())]
Text = Annotated[str, AfterValidator(TEXT.check), WithJsonSchema(TEXT.schema())]


def seconds(duration: int) -> str:
    """Milliseconds as Pacemaker writes them, rounded up to the whole seconds that its delays and timeouts know."""
    return f"{-(-duration // 1000)}s"


# What a fence agent calls its secrets. They come from a Secret, as files, never through the cluster's configuration.
SECRET_WORDS = ("passw", "passphrase", "secret", "token", "_script", "community", "hexadecimal_kg", "identity_file",
                "key_file")
# What the pair itself says about every device; a second word on it could let a device fence the wrong site.
OURS = ("pcmk_host_list", "pcmk_host_map", "pcmk_host_check", "pcmk_delay_base", "pcmk_delay_max", "delay", "action")
_PARAMETER = "[a-z0-9][-_a-z0-9]*"
NO_PARAMETER = "'{name}' is not the name of a fence agent's parameter; write it as its metadata does"
SECRET = "{name} is a secret and must not stand here; put it in a Secret named by secretRef"
OUR_OWN = "{name} is set by the pair itself; remove it (the wait before a fence is fencing.delay)"
MOST_PARAMETERS = 32


def plain_parameters(parameters: dict[str, str]) -> dict[str, str]:
    """The parameters of a fence device, free of secrets and of what the pair sets by itself; else ValueError."""
    for name in parameters:
        if not re.fullmatch(_PARAMETER, name):
            raise ValueError(NO_PARAMETER.format(name=name))
        spelling = name.replace("-", "_")
        if any(word in spelling for word in SECRET_WORDS):
            raise ValueError(SECRET.format(name=name))
        if spelling in OURS:
            raise ValueError(OUR_OWN.format(name=name))
    return parameters


def _parameters_schema() -> Schema:
    """The names by CEL on the whole, for a refusal that points to a value would repeat it."""
    spelling = "k.replace('-', '_')"
    rules = ((f"k.matches({quoted(f'^{_PARAMETER}$')})", NO_PARAMETER),
             (f"!{listed(SECRET_WORDS)}.exists(w, {spelling}.contains(w))", SECRET),
             (f"!({spelling} in {listed(OURS)})", OUR_OWN))
    text = f"self.all(k, self[k].matches({quoted(f'^{TEXT.pattern}$')}))"
    return {
        "type": "object", "maxProperties": MOST_PARAMETERS,
        "additionalProperties": {"type": "string", "maxLength": TEXT.longest},
        "x-kubernetes-validations": [
            *(validation(f"self.all(k, {good})", sentence, {"name": f"self.filter(k, !({good}))[0]"})
              for good, sentence in rules),
            validation(text, TEXT.wrong, {}),
        ],
    }


Parameters = Annotated[dict[str, Text], AfterValidator(plain_parameters), WithJsonSchema(_parameters_schema())]
