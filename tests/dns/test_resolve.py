"""Resolver: what each question gives, the cache, and what is told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.dns import cache
from mailkit.dns.answer import Answer
from mailkit.dns.resolve import Resolver, ascii_name
from mailkit.exits import Temp
from tests.harness import fakeclock, zones

WORLD = {
    "example.org": {"MX": [(20, "b.example.org"), (10, "a.example.org")], "TXT": [b"v=spf1 -all"]},
    "a.example.org": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
    "b.example.org": {"A": ["192.0.2.2"]},
    "alias.example.org": {"CNAME": ["example.org"]},
    "null.example": {"MX": [(0, "")]},
    "slow.example": "timeout",
    "choking.example": {"A": ["192.0.2.9"], "AAAA": "timeout"},
    "halfdead.example": {"A": [], "AAAA": "timeout"},
    "1.2.0.192.in-addr.arpa": {"PTR": ["a.example.org"]},
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": {"PTR": ["a.example.org"]},
    "_25._tcp.a.example.org": {"TLSA": [(3, 1, 1, b"\x01" * 32)]},
    "xn--mller-kva.example": {"MX": [(10, "a.example.org")]},
}


def test_mx_comes_best_first() -> None:
    found = zones.resolver(WORLD).mx("example.org")
    assert found.records == ((10, "a.example.org"), (20, "b.example.org"))
    assert found.ttl == 3600


def test_null_mx_is_a_pair_without_host() -> None:
    assert zones.resolver(WORLD).mx("null.example").records == ((0, ""),)


def test_mx_follows_a_cname_and_says_where_it_led() -> None:
    found = zones.resolver(WORLD).mx("alias.example.org")
    assert found.records[0] == (10, "a.example.org")
    assert found.canonical == "example.org"


def test_no_such_name_and_nothing_of_that_kind_are_told_apart() -> None:
    resolver = zones.resolver(WORLD)
    assert not resolver.mx("nowhere.example").exists
    empty = resolver.mx("b.example.org")
    assert empty.exists and not empty.records


def test_no_answer_is_temporary() -> None:
    with pytest.raises(Temp) as caught:
        zones.resolver(WORLD).mx("slow.example")
    assert caught.value.code == "4.4.3"
    assert "slow.example" in caught.value.text


def test_addresses_have_ipv6_first_and_either_family_alone() -> None:
    resolver = zones.resolver(WORLD)
    assert resolver.addresses("a.example.org").records == ("2001:db8::1", "192.0.2.1")
    assert resolver.addresses("a.example.org", ipv6=False).records == ("192.0.2.1",)
    assert resolver.addresses("a.example.org", ipv4=False, ipv6=False).records == ()
    assert not resolver.addresses("nowhere.example").exists


def test_a_family_without_answer_does_not_hide_the_other() -> None:
    resolver = zones.resolver(WORLD)
    assert resolver.addresses("choking.example").records == ("192.0.2.9",)
    with pytest.raises(Temp):
        resolver.addresses("halfdead.example")


def test_addresses_are_secure_only_when_all_of_them_are() -> None:
    both = zones.Zones(WORLD, secure=("a.example.org",))
    assert Resolver(both).addresses("a.example.org").secure
    half = zones.Zones(WORLD, secure=("choking.example",))
    assert not Resolver(half).addresses("choking.example").secure


@pytest.mark.parametrize("ip", ["192.0.2.1", "2001:db8::1"])
def test_ptr(ip: str) -> None:
    assert zones.resolver(WORLD).ptr(ip).records == ("a.example.org",)


def test_ptr_of_what_is_no_address() -> None:
    world = zones.Zones(WORLD)
    assert not Resolver(world).ptr("not an address").exists
    assert world.asked == []


def test_txt_and_tlsa() -> None:
    resolver = zones.resolver(WORLD)
    assert resolver.txt("example.org").records == (b"v=spf1 -all",)
    assert resolver.tlsa("_25._tcp.a.example.org").records == ((3, 1, 1, b"\x01" * 32),)


def test_a_name_in_unicode_is_asked_as_a_labels() -> None:
    world = zones.Zones(WORLD)
    assert Resolver(world).mx("Müller.example.").records
    assert world.asked == [("xn--mller-kva.example", "MX")]


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64 + ".example", ".".join(["abcdefgh"] * 32)])
def test_a_name_that_cannot_be_is_never_asked(name: str) -> None:
    world = zones.Zones(WORLD)
    assert not Resolver(world).ask(name, "A").exists
    assert world.asked == []


@given(st.text(max_size=80))
def test_ascii_name_is_total_and_stable(text: str) -> None:
    name = ascii_name(text)
    assert name.isascii() and len(name) <= 253
    assert ascii_name(name) == name


def test_an_answer_is_kept_for_its_ttl(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakeclock.install(monkeypatch)
    world = zones.Zones(WORLD, ttl=60)
    resolver = Resolver(world)
    resolver.txt("example.org")
    clock.advance(59)
    assert resolver.txt("EXAMPLE.org.").ttl == 1
    assert len(world.asked) == 1
    clock.advance(1)
    assert resolver.txt("example.org").ttl == 60
    assert len(world.asked) == 2


def test_a_missing_name_is_remembered_as_long_as_its_soa_says(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakeclock.install(monkeypatch)
    world = zones.Zones(WORLD, ttl=300)
    resolver = Resolver(world)
    for _ in range(3):
        assert not resolver.mx("nowhere.example").exists
    assert len(world.asked) == 1
    clock.advance(300)
    assert not resolver.mx("nowhere.example").exists
    assert len(world.asked) == 2


def test_an_answer_without_ttl_is_not_kept() -> None:
    world = zones.Zones(WORLD, ttl=0)
    resolver = Resolver(world)
    resolver.mx("example.org")
    resolver.mx("example.org")
    assert len(world.asked) == 2


def test_ttls_have_a_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakeclock.install(monkeypatch)
    world = zones.Zones(WORLD, ttl=10_000_000)
    resolver = Resolver(world)
    resolver.mx("example.org")
    resolver.mx("nowhere.example")
    clock.advance(cache.LONGEST_NEGATIVE_S)
    resolver.mx("nowhere.example")
    assert [name for name, _ in world.asked] == ["example.org", "nowhere.example", "nowhere.example"]
    clock.advance(cache.LONGEST_S)
    resolver.mx("example.org")
    assert len(world.asked) == 4


def test_a_failure_is_remembered_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakeclock.install(monkeypatch)
    world = zones.Zones(WORLD)
    resolver = Resolver(world)
    for _ in range(2):
        with pytest.raises(Temp):
            resolver.mx("slow.example")
    assert len(world.asked) == 1
    clock.advance(cache.FAILURE_S)
    world["slow.example"] = WORLD["example.org"]
    assert resolver.mx("slow.example").records


def test_the_cache_is_bounded_and_forgets_what_was_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    fakeclock.install(monkeypatch)
    kept = cache.Cache(limit=2)
    for name in ("a", "b"):
        kept.keep(name, "A", Answer(("192.0.2.1",), 60))
    assert kept.find("a", "A") is not None
    kept.keep("c", "A", Answer(("192.0.2.1",), 60))
    assert len(kept) == 2
    assert kept.find("b", "A") is None
    assert kept.find("a", "A") is not None
