"""control/routes: how a line is read, and which one wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.control import Home
from mailkit.deliver.remote import routes
from mailkit.deliver.remote.routes import Route
from mailkit.exits import Temp

TABLE = """\
# how mail leaves
example.com                 [mail.internal]:2525            tls=verify
.example.com                mx
from:alice@example.test     [smtp.example.net]:587          login=alice tls=require
from:example.test           relay.example.net               helo=out.example.test
archive.example             lmtp:/run/archive/lmtp.sock
*                           smtps:[192.0.2.9]               source=192.0.2.7,2001:db8::7
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "routes").write_text(TABLE)
    return Home(str(tmp_path))


@pytest.mark.parametrize(
    ("hop", "host", "port", "direct", "lmtp", "implicit"),
    [
        ("relay.example", "relay.example", 25, False, False, False),
        ("relay.example:2525", "relay.example", 2525, False, False, False),
        ("[Relay.example]", "relay.example", 25, True, False, False),
        ("[192.0.2.1]:587", "192.0.2.1", 587, True, False, False),
        ("[2001:db8::1]:587", "2001:db8::1", 587, True, False, False),
        ("[IPv6:2001:db8::1]", "2001:db8::1", 25, True, False, False),
        ("smtp:[relay.example]", "relay.example", 25, True, False, False),
        ("smtps:[relay.example]", "relay.example", 465, True, False, True),
        ("lmtp:[127.0.0.1]:2400", "127.0.0.1", 2400, True, True, False),
        ("lmtp:store.internal", "store.internal", 24, True, True, False),
        ("lmtp:/run/lmtp.sock", "/run/lmtp.sock", 0, True, True, False),
        ("mx", "", 25, False, False, False),
    ],
)
def test_next_hops(hop: str, host: str, port: int, direct: bool, lmtp: bool, implicit: bool) -> None:
    pattern, route = routes.parse(f"Example.COM {hop}")
    assert pattern == "example.com"
    assert (route.host, route.port, route.direct, route.lmtp, route.implicit_tls) == (
        host,
        port,
        direct,
        lmtp,
        implicit,
    )


@pytest.mark.parametrize(
    "line",
    [
        "example.com",
        "example.com [relay.example",
        "example.com [relay.example]x",
        "example.com []",
        "example.com relay:99999",
        "example.com relay:port",
        "example.com smtps:/run/sock",
        "example.com relay tls=maybe",
        "example.com relay colour=red",
        "example.com relay login=",
    ],
)
def test_what_is_no_route(line: str) -> None:
    with pytest.raises(ValueError, match="."):
        routes.parse(line)


@given(st.text(alphabet="ab.:[]/=*@ msxtplf0123456789", max_size=40))
def test_any_line_is_a_route_or_a_value_error(line: str) -> None:
    if not line.split():
        return
    try:
        pattern, route = routes.parse(line)
    except ValueError:
        return
    assert pattern and 0 <= route.port < 65536


@pytest.mark.parametrize(
    ("sender", "domain", "host"),
    [
        ("alice@example.test", "example.com", "mail.internal"),
        ("alice@example.test", "sub.example.com", ""),
        ("Alice@Example.test", "example.org", "smtp.example.net"),
        ("bob@example.test", "example.org", "relay.example.net"),
        ("", "example.org", "192.0.2.9"),
        ("bob@elsewhere.example", "[192.0.2.1]", "192.0.2.9"),
        ("bob@elsewhere.example", "archive.example", "/run/archive/lmtp.sock"),
        ("bob@elsewhere.example", "sub.archive.example", "192.0.2.9"),
    ],
)
def test_the_most_special_line_wins(home: Home, sender: str, domain: str, host: str) -> None:
    assert routes.choose(home, sender, domain).host == host


def test_without_routes_mail_goes_straight(tmp_path: Path) -> None:
    assert routes.choose(Home(str(tmp_path)), "a@example.test", "example.org") is routes.STRAIGHT


def test_a_bad_line_stops_everything_until_it_is_mended(home: Home) -> None:
    path = Path(home.control.directory, "routes")
    path.write_text("* [192.0.2.9\n")
    with pytest.raises(Temp) as caught:
        routes.choose(home, "a@example.test", "example.org")
    assert "192.0.2.9" in caught.value.detail and "192.0.2.9" not in caught.value.text
    path.write_text("* [192.0.2.99]\n")
    assert routes.choose(home, "a@example.test", "example.org").host == "192.0.2.99"


def test_destinations_with_the_same_servers_have_the_same_key(home: Home) -> None:
    def key(sender: str, domain: str) -> str:
        return routes.choose(home, sender, domain).key(domain)

    one = key("x@y.example", "example.org")
    assert one == key("z@y.example", "example.net")
    assert one != key("alice@example.test", "example.org")
    assert key("x@y.example", "sub.example.com") == "sub.example.com"
    assert Route("h", login="a").key("d") != Route("h", login="b").key("d")


def test_logins(home: Home) -> None:
    Path(home.control.directory, "routelogins").write_text("us user@x pass word with blanks\n")
    found = routes.login(home.control, "us")
    assert (found.user, found.password) == ("user@x", "pass word with blanks")
    with pytest.raises(Temp) as caught:
        routes.login(home.control, "them")
    assert "pass word" not in str(caught.value)
