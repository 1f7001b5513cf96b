"""Which servers are tried, in which order, and when there is none."""

from __future__ import annotations

import pytest

from mailkit import clock
from mailkit.deliver.remote import hosts
from mailkit.deliver.remote.routes import STRAIGHT, Route
from mailkit.exits import Perm, Temp
from tests.harness import zones

WORLD = {
    "example.org": {"MX": [(20, "b.example.org"), (10, "a.example.org")]},
    "a.example.org": {"A": ["192.0.2.1", "192.0.2.2"], "AAAA": ["2001:db8::1"]},
    "b.example.org": {"A": ["192.0.2.3"]},
    "alias.example": {"CNAME": ["example.org"]},
    "bare.example": {"A": ["192.0.2.4"]},
    "baralias.example": {"CNAME": ["bare.example"]},
    "null.example": {"MX": [(0, "")]},
    "empty.example": {"TXT": [b"x"]},
    "dangling.example": {"MX": [(10, "nowhere.example")]},
    "half.example": {"MX": [(10, "nowhere.example"), (20, "b.example.org")]},
    "slow.example": "timeout",
    "slowmx.example": {"MX": [(10, "slow.example"), (10, "nowhere.example")]},
    "backup.example": {"MX": [(10, "b.example.org"), (20, "me.example.test"), (30, "a.example.org")]},
    "primary.example": {"MX": [(10, "me.example.test"), (20, "b.example.org")]},
    "byaddress.example": {"MX": [(10, "looks.innocent.example")]},
    "looks.innocent.example": {"A": ["127.0.0.1"]},
    "me.example.test": {"A": ["192.0.2.25"]},
    "mxcname.example": {"MX": [(10, "alias-of-b.example")]},
    "alias-of-b.example": {"CNAME": ["b.example.org"]},
    "even.example": {"MX": [(10, "a.example.org"), (10, "b.example.org"), (10, "bare.example")]},
    "many.example": {"A": [f"198.51.100.{number}" for number in range(1, 30)]},
    "mixednull.example": {"MX": [(0, ""), (10, "b.example.org")]},
}
OURS = {"127.0.0.1", "192.0.2.25"}


def _find(domain: str, route: Route = STRAIGHT, **options: tuple[str, ...]) -> list[str]:
    places = hosts.find(zones.resolver(WORLD, **options), route, domain, "me.example.test", OURS.__contains__)
    return [place.ip for place in places]


def test_by_preference_and_families_by_turns() -> None:
    assert _find("example.org") == ["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_cnames_are_followed() -> None:
    assert _find("alias.example") == _find("example.org")
    assert _find("baralias.example") == ["192.0.2.4"]
    assert _find("mxcname.example") == ["192.0.2.3"]


def test_implicit_mx() -> None:
    assert _find("bare.example") == ["192.0.2.4"]


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        ("null.example", "5.1.10"),
        ("nowhere.example", "5.1.2"),
        ("empty.example", "5.4.4"),
        ("dangling.example", "5.4.4"),
        ("primary.example", "5.4.6"),
        ("byaddress.example", "5.4.6"),
        ("me.example.test", "5.4.6"),
        ("[192.0.2.25]", "5.4.6"),
        ("[127.0.0.1]", "5.4.6"),
        ("[nonsense]", "5.1.2"),
        ("[2001:db8::1]", "5.1.2"),
        ("[IPv6:192.0.2.1]", "5.1.2"),
        ("[/etc/passwd]", "5.1.2"),
        ("a..b", "5.1.2"),
    ],
)
def test_no_server(domain: str, code: str) -> None:
    with pytest.raises(Perm) as caught:
        _find(domain)
    assert caught.value.code == code


@pytest.mark.parametrize("domain", ["slow.example", "slowmx.example"])
def test_no_answer_is_temporary(domain: str) -> None:
    with pytest.raises(Temp) as caught:
        _find(domain)
    assert caught.value.code == "4.4.3"


def test_a_host_without_address_does_not_hide_the_next() -> None:
    assert _find("half.example") == ["192.0.2.3"]
    assert _find("mixednull.example") == ["192.0.2.3"]


def test_a_backup_sends_only_to_better_ones() -> None:
    assert _find("backup.example") == ["192.0.2.3"]


def test_equals_come_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for order in ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1]):
        numbers = iter(order)
        monkeypatch.setattr(clock, "random", lambda numbers=numbers: next(numbers))
        seen.add(tuple(_find("even.example")))
    assert len(seen) == 3


def test_not_too_many_addresses() -> None:
    assert len(_find("many.example")) == hosts.ADDRESSES_MOST


def test_literals() -> None:
    assert _find("[192.0.2.77]") == ["192.0.2.77"]
    assert _find("[IPv6:2001:db8::77]") == ["2001:db8::77"]


def test_routes_by_name_address_and_socket() -> None:
    assert _find("anything.example", Route("b.example.org", 587, direct=True)) == ["192.0.2.3"]
    assert _find("anything.example", Route("example.org")) == _find("example.org")
    assert _find("anything.example", Route("127.0.0.1", 2525, direct=True)) == ["127.0.0.1"]
    assert _find("anything.example", Route("/run/sock", 0, direct=True)) == ["/run/sock"]
    assert _find("anything.example", Route("localhost", 24, direct=True)) == ["127.0.0.1", "::1"]
    with pytest.raises(Perm):
        _find("anything.example", Route("nowhere.example", direct=True))


def test_what_needs_no_name_server() -> None:
    assert hosts.known(STRAIGHT, "example.org") is None
    assert hosts.known(Route("relay.example", direct=True), "example.org") is None
    place = hosts.known(Route("192.0.2.9", 587, direct=True), "example.org")
    assert place is not None and (place.ip, place.port, place.secure) == ("192.0.2.9", 587, True)


def test_secure_only_when_every_step_is() -> None:
    every = ("example.org", "a.example.org", "b.example.org")
    for secure, wanted in ((every, True), (every[:1], False), (every[1:], False)):
        world = zones.resolver(WORLD, secure=secure)
        places = hosts.find(world, STRAIGHT, "example.org", "me", OURS.__contains__)
        assert all(place.secure is wanted for place in places)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "224.0.0.1", "::ffff:127.0.0.1"])
def test_addresses_that_mean_this_machine(ip: str) -> None:
    assert hosts.local(ip)


@pytest.mark.parametrize("ip", ["203.0.113.251", "2001:db8::fb"])
def test_addresses_of_others(ip: str) -> None:
    assert not hosts.local(ip)
