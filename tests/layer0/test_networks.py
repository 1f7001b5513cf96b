"""Lists of addresses and networks."""

from __future__ import annotations

import pytest

from mailkit.control.networks import Networks, customer, is_loopback


@pytest.mark.parametrize(
    ("entries", "address", "wanted"),
    [
        (["192.0.2.1"], "192.0.2.1", True),
        (["192.0.2.1"], "192.0.2.2", False),
        (["192.0.2.0/24"], "192.0.2.255", True),
        (["192.0.2.0/24"], "192.0.3.0", False),
        (["192.0.2.0/25"], "192.0.2.128", False),
        (["0.0.0.0/0"], "198.51.100.1", True),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["192.0.2.0/24"], "::ffff:192.0.2.7", True),
        (["2001:db8::/32"], "2001:db8:1::1", True),
        (["2001:db8::/32"], "2001:db9::1", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["loopback"], "127.0.0.9", True),
        (["loopback"], "::1", True),
        (["loopback"], "", True),
        (["192.0.2.1"], "", False),
        ([], "192.0.2.1", False),
    ],
)
def test_membership(entries: list[str], address: str, wanted: bool) -> None:
    assert (address in Networks(entries)) is wanted


@pytest.mark.parametrize("entry", ["everybody", "192.0.2", "192.0.2.1/33", "192.0.2.1/x", "::/129", "1.2.3.4/", ""])
def test_what_is_no_network_is_refused(entry: str) -> None:
    with pytest.raises(ValueError):
        Networks([entry])


def test_loopback() -> None:
    assert all(is_loopback(address) for address in ("", "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "::ffff:127.9.9.9"))
    assert not any(is_loopback(address) for address in ("192.0.2.1", "::2", "12.7.0.1", "::ffff:192.0.2.1", "127.example"))


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::-64"),
        ("fe80::1%eth0", "fe80::-64"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_customer(address: str, counted: str) -> None:
    assert customer(address) == counted
