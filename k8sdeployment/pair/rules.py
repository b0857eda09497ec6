"""The rules that hold between the values of a pair, each with one sentence that says what is right."""

from collections.abc import Callable, Iterator
from typing import Optional

from k8sdeployment.pair import levels, poison
from k8sdeployment.pair.fencing import by_certificate, shoots
from k8sdeployment.pair.model import (
    DELAYS, MOST_LINKS, MOST_WORKLOADS, Quorum, Replicas, SiteFencing, Spec, Workload)
from k8sdeployment.pair.references import Part
from k8sdeployment.pair.rule import Holes, Rule
from k8sdeployment.pair.values import DURATION, duration, seconds


def faults(spec: Spec, before: Optional[Spec] = None) -> list[str]:
    """One sentence per broken rule, none for a pair that can be built. `before`: what stood there, in a change."""
    if len(spec.sites) != 2:
        return list(TWO_SITES.fault("spec", spec))
    found = [sentence for where, part in _parts(spec) for rule in RULES
             if isinstance(part, rule.part) and not rule.change for sentence in rule.fault(where, part)]
    if before is not None:
        found += [sentence for rule in RULES if rule.change for sentence in rule.fault("spec", spec, before)]
    return found


def _parts(part: Part, where: str = "spec") -> Iterator[tuple[str, Part]]:
    """Every part of the CR with its path."""
    yield where, part
    for name, known in type(part).model_fields.items():
        value, path = getattr(part, name), f"{where}.{known.alias}"
        if isinstance(value, Part):
            yield from _parts(value, path)
        elif isinstance(value, tuple):
            for index, one in enumerate(value):
                if isinstance(one, Part):
                    yield from _parts(one, f"{path}[{index}]")


# -- Python's side -------------------------------------------------------------------------------------------------

def _same(name: str) -> Callable[[Spec], Optional[Holes]]:
    def found(spec: Spec) -> Optional[Holes]:
        one, other = (getattr(site, name) for site in spec.sites)
        return {"value": one} if one == other else None
    return found


def _first(holes: Iterator[Holes]) -> Optional[Holes]:
    return next(holes, None)


def _numbers(spec: Spec) -> Optional[Holes]:
    one, other = spec.sites
    holes: Holes = {"one": one.name, "n": len(one.addresses), "other": other.name, "m": len(other.addresses)}
    return holes if holes["n"] != holes["m"] else None


def _twice(spec: Spec) -> Optional[Holes]:
    every = [address for site in spec.sites for address in site.addresses]
    return _first({"address": one} for one in every if every.count(one) > 1)


def _mixed(spec: Spec) -> Optional[Holes]:
    pairs = enumerate(zip(*(site.addresses for site in spec.sites)), start=1)
    return _first({"link": link, "here": here, "there": there} for link, (here, there) in pairs
                  if here.version != there.version)


def _unarmed(spec: Spec) -> Optional[Holes]:
    return _first({"site": site.name} for site in spec.sites if shoots(spec) and not site.fencing.devices)


def _unasked(spec: Spec) -> Optional[Holes]:
    return {} if spec.fencing.mode == "Disabled" and spec.failover.mode == "Confirm" else None


def _race(spec: Spec) -> Optional[Holes]:
    one, other = (seconds(delay).rstrip("s") for delay in spec.fence_delays())
    return {"delay": one} if shoots(spec) and one == other else None


def _outweighed(spec: Spec) -> Optional[Holes]:
    if spec.fencing.active_delay is None or not shoots(spec):
        return None
    wait, *delays = (-(-delay // 1000) for delay in (spec.fencing.active_delay, *spec.fence_delays()))
    longest = max(delays)
    return {"wait": wait, "delay": longest, "least": 2 * longest} if wait < 2 * longest else None


def _repeated(spec: Spec) -> Optional[Holes]:
    names = [work.name for work in spec.workloads]
    return _first({"name": name} for name in names if names.count(name) > 1)


def _nowhere(spec: Spec) -> Optional[Holes]:
    one, other = (site.name for site in spec.sites)
    return _first({"name": work.name, "site": work.preferred_site, "one": one, "other": other}
                  for work in spec.workloads if work.preferred_site not in (None, one, other))


def _below(field: str) -> Callable[[Spec], Optional[Holes]]:
    def found(spec: Spec) -> Optional[Holes]:
        names = [work.name for work in spec.workloads]
        return _first({"name": work.name, "other": other} for place, work in enumerate(spec.workloads)
                      for other in getattr(work, field) if other not in names[:place])
    return found


def _renamed(spec: Spec, before: Spec) -> Optional[Holes]:
    old = {site.name for site in before.sites}
    return _first({"site": site.name} for site in spec.sites if site.name not in old)


def _order(replicas: Replicas) -> Optional[Holes]:
    return {"min": replicas.min, "max": replicas.max} if replicas.min >= replicas.max else None


def _never_empty(work: Workload) -> Optional[Holes]:
    return {"min": work.replicas.min} if work.gate and work.replicas.min > 0 else None


def _unheeded(fencing: SiteFencing) -> Optional[Holes]:
    return {} if fencing.ca_ref is not None and not any(map(by_certificate, fencing.devices)) else None


# -- both sides ----------------------------------------------------------------------------------------------------

def _pair(good: str) -> str:
    """CEL that holds when there are not two sites, for that is refused by itself."""
    return f"size(self.sites) != 2 || ({good})"


def _delay(index: int) -> str:
    """CEL: whole seconds before a site is fenced, rounded up as Pacemaker gets them."""
    fencing = f"self.sites[{index}].fencing"
    return _whole(f"(has({fencing}.delay) ? duration({fencing}.delay) : duration('{duration(DELAYS[index])}'))")


def _whole(wait: str) -> str:
    return f"({wait} + duration('999ms')).getSeconds()"


_ONE, _OTHER = "self.sites[0]", "self.sites[1]"
_A, _B = f"{_ONE}.addresses", f"{_OTHER}.addresses"
_UNCLEAR = f"({_A} + {_B}).exists(a, !isIP(a))"
_DOUBLE = f"({_A} + {_B}).filter(a, ({_A} + {_B}).filter(b, ip(a) == ip(b)).size() > 1)"
_LINKS = f"{list(range(MOST_LINKS))}.filter(i, i < size({_A}) && i < size({_B}))"
_MIXED = f"{_LINKS}.filter(i, ip({_A}[i]).family() != ip({_B}[i]).family())"
_BAD_DELAY = f"self.sites.exists(s, has(s.fencing.delay) && !s.fencing.delay.matches('^{DURATION.pattern}$'))"
_LONGEST = f"({_delay(0)} > {_delay(1)} ? {_delay(0)} : {_delay(1)})"
_ACTIVE = "self.fencing.activeDelay"
_BAD_ACTIVE = f"!{_ACTIVE}.matches('^{DURATION.pattern}$')"
_ACTIVE_WAIT = _whole(f"duration({_ACTIVE})")
_SILENT = "self.fencing.mode == 'Disabled' || self.failover.mode == 'Confirm'"
_BARE = "self.sites.filter(s, size(s.fencing.devices) == 0)"
_DOUBLES = "self.workloads.filter(w, !self.workloads.exists_one(v, v.name == w.name))"
_LOST = f"self.workloads.filter(w, has(w.preferredSite) && !(w.preferredSite in [{_ONE}.name, {_OTHER}.name]))"
# By their places in the list, for what stands above cannot wait for what stands below. CEL knows no recursion.
_PLACES = list(range(MOST_WORKLOADS))
_LATE = f"!{_PLACES}.exists(i, i < j && self.workloads[i].name == a)"
_NEW = "self.sites.filter(s, !oldSelf.sites.exists(o, o.name == s.name))"


def _above(name: str, sentence: str) -> Rule:
    """Who is named in that list stands above: then there is no circle, of whatever length."""
    bad = f"{_PLACES}.filter(j, j < size(self.workloads) && self.workloads[j].{name}.exists(a, {_LATE}))"
    return Rule(Spec, ".workloads", f"size({bad}) == 0", sentence, _below(name), {
        "name": f"self.workloads[{bad}[0]].name",
        "other": f"{bad}.map(j, self.workloads[j].{name}.filter(a, {_LATE})[0])[0]"})


TWO_SITES = Rule(
    Spec, ".sites", "size(self.sites) == 2", "a pair has exactly two sites, not {n}",
    lambda spec: None if len(spec.sites) == 2 else {"n": len(spec.sites)}, {"n": "size(self.sites)"})

RULES = (
    TWO_SITES,
    Rule(Spec, ".sites", _pair(f"{_ONE}.name != {_OTHER}.name"),
         "both are named '{value}'; give each site a name of its own", _same("name"), {"value": f"{_ONE}.name"}),
    Rule(Spec, ".sites", _pair(f"{_ONE}.nodeName != {_OTHER}.nodeName"),
         "both have nodeName '{value}'; it tells a site which one it is, so they must differ",
         _same("node_name"), {"value": f"{_ONE}.nodeName"}),
    Rule(Spec, ".sites", _pair(f"size({_A}) == size({_B})"),
         "{one} has {n} addresses and {other} {m}; both need one address per link", _numbers,
         {"one": f"{_ONE}.name", "n": f"size({_A})", "other": f"{_OTHER}.name", "m": f"size({_B})"}),
    Rule(Spec, ".sites", _pair(f"{_UNCLEAR} || size({_DOUBLE}) == 0"),
         "address {address} is given twice; every link needs an address of its own on each site",
         _twice, {"address": f"string(ip({_DOUBLE}[0]))"}),
    Rule(Spec, ".sites", _pair(f"{_UNCLEAR} || size({_MIXED}) == 0"),
         "link {link} joins {here} with {there}; both ends must be IPv4, or both IPv6", _mixed,
         {"link": f"{_MIXED}[0] + 1", "here": f"string(ip({_A}[{_MIXED}[0]]))",
          "there": f"string(ip({_B}[{_MIXED}[0]]))"}),
    Rule(Spec, ".sites", _pair(f"{_SILENT} || size({_BARE}) == 0"),
         "{site} has no fencing.devices, and fencing is Required; name a device that can take its power, or let a "
         "person decide with failover.mode: Confirm",
         _unarmed, {"site": f"{_BARE}[0].name"}),
    Rule(Spec, ".sites", _pair(f"{_SILENT} || {_BAD_DELAY} || {_delay(0)} != {_delay(1)}"),
         "both have fencing.delay {delay}s, so that both would fence each other after a split; give the site that "
         "should win at least a second more", _race, {"delay": _delay(0)}),
    Rule(Spec, ".fencing.activeDelay",
         _pair(f"!has({_ACTIVE}) || {_SILENT} || {_BAD_DELAY} || {_BAD_ACTIVE} || {_ACTIVE_WAIT} >= 2 * {_LONGEST}"),
         "{wait}s is less than twice the longest fencing.delay of the sites, {delay}s, which could outweigh it; use "
         "{least}s or more, or make that delay shorter",
         _outweighed, {"wait": _ACTIVE_WAIT, "delay": _LONGEST, "least": f"2 * {_LONGEST}"}),
    Rule(Spec, ".fencing.activeDelay", f"!has({_ACTIVE}) || self.quorum.mode != 'Arbitrator'",
         "with quorum.mode Arbitrator the arbitrator decides a split, always for the site with the longer "
         "fencing.delay; remove it, or use mode TwoNode",
         lambda spec: {} if spec.fencing.active_delay is not None and spec.quorum.mode == "Arbitrator" else None),
    Rule(Spec, ".fencing.activeDelay", f"!has({_ACTIVE}) || !({_SILENT})",
         "with fencing.mode Disabled or failover.mode Confirm no site fences the other one by itself, so nothing would "
         "wait; remove it", lambda spec: {} if spec.fencing.active_delay is not None and not shoots(spec) else None),
    Rule(Spec, ".failover", "self.fencing.mode != 'Disabled' || self.failover.mode != 'Confirm'",
         "mode Confirm holds a takeover back until the lost site counts as fenced; with fencing.mode Disabled nothing "
         "waits for that; use Required, which with Confirm needs no device", _unasked),
    Rule(Spec, ".sites", _NEW + ".size() == 0",
         "'{site}' is no site of this pair so far, and a site keeps its name for good; delete the SNOPair and make it "
         "anew to change it", _renamed, {"site": f"{_NEW}[0].name"}, change=True),
    Rule(Spec, ".workloads", f"size({_DOUBLES}) == 0",
         "'{name}' is given twice; a workload's name must be unique in the pair", _repeated,
         {"name": f"{_DOUBLES}[0].name"}),
    Rule(Spec, ".workloads", _pair(f"size({_LOST}) == 0"),
         "preferredSite '{site}' of '{name}' is not a site; it must be {one} or {other}", _nowhere,
         {"site": f"{_LOST}[0].preferredSite", "name": f"{_LOST}[0].name", "one": f"{_ONE}.name",
          "other": f"{_OTHER}.name"}),
    _above("after", "'{name}' is after '{other}', which does not stand above it; list a workload below all it waits "
                    "for, so that none waits for itself"),
    _above("together", "'{name}' is together with '{other}', which does not stand above it; name those above alone, "
                       "the other way round it holds too"),
    Rule(Quorum, ".arbitrator", "self.mode != 'Arbitrator' || has(self.arbitrator)",
         "mode Arbitrator needs the host and the secretRef of the corosync-qnetd that gives the third vote",
         lambda quorum: {} if quorum.mode == "Arbitrator" and quorum.arbitrator is None else None),
    Rule(Quorum, ".arbitrator", "self.mode != 'TwoNode' || !has(self.arbitrator)",
         "mode TwoNode knows no third vote; remove the arbitrator, or use mode Arbitrator",
         lambda quorum: {} if quorum.mode == "TwoNode" and quorum.arbitrator is not None else None),
    Rule(Replicas, "", "self.min < self.max",
         "min {min} is not below max {max}; min is what the passive site runs, usually 0", _order,
         {"min": "self.min", "max": "self.max"}),
    Rule(Workload, ".replicas.min", "!self.gate || self.replicas.min == 0",
         "{min} cannot run on a site without a permit; use 0, or gate: false", _never_empty,
         {"min": "self.replicas.min"}),
    Rule(SiteFencing, ".caRef",
         "!has(self.caRef) || self.devices.exists(d, d.agent == 'fence_redfish' && "
         "!d.parameters.exists(p, p in ['ssl_insecure', 'ssl-insecure']))",
         "no device heeds it; fence_redfish alone does, and not with ssl_insecure", _unheeded),
    *levels.RULES,
    *poison.RULES,
)
