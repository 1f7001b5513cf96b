"""An attempt at delivery: servers in turn, TLS, connections kept, and what each recipient is told."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from mailkit.deliver import remote
from mailkit.deliver.remote import kept
from mailkit.exits import Temp
from mailkit.queue.entry import Recipient
from mailkit.smtp.client import transaction
from tests.deliver_remote.world import World
from tests.harness import fakeclock
from tests.harness.fakeclock import FakeClock
from tests.harness.transcript import run
from tests.smtp_client.server import CLOSE, DEAF, DRIP, ENDLESS, SILENCE, Server

REFUSED = Temp("connection failed: connection refused", code="4.4.1")
TLS = ["PIPELINING", "STARTTLS", "8BITMIME"]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    return fakeclock.install(monkeypatch)


def test_delivered(tmp_path: Path) -> None:
    server = Server()
    world = World(tmp_path, {"192.0.2.1": server})
    one, two = world.send("bob@example.org", "carol@example.org")
    assert (one.status, one.code, one.text, one.remote) == ("ok", "2.0.0", "250 2.0.0 queued as 4711", "a.example.org")
    assert two.ok
    assert world.dialed == [("192.0.2.1", 25, 10.0, "")]
    assert server.commands[0] == "EHLO me.example.test"
    assert server.messages == [b"Subject: hi\r\n\r\nhello\r\n"]


def test_the_words_of_the_server_are_the_text(tmp_path: Path) -> None:
    world = World(tmp_path, {"192.0.2.1": Server(say={"RCPT": "550 5.1.1 no such user\nnot here"})})
    (found,) = world.send()
    assert (found.status, found.code, found.remote) == ("perm", "5.1.1", "a.example.org")
    assert found.text == "550 5.1.1 no such user not here"
    assert world.ips == ["192.0.2.1"]


def test_words_that_are_no_text_are_not_passed_on(tmp_path: Path) -> None:
    (found,) = World(tmp_path, {"192.0.2.1": Server(say={"RCPT": "550 5.1.1 \x1b[2J\0gone"})}).send()
    assert found.text == "550 5.1.1 ?[2J?gone"


def test_the_resolver_follows_its_control_values(tmp_path: Path) -> None:
    world = World(tmp_path, {}, resolver=None)
    world.control(dnsservers="127.0.0.1:1")
    first = world.outside.resolver()
    assert world.outside.resolver() is first
    world.control(dnsservers="127.0.0.1:65000")
    assert world.outside.resolver() is not first


def test_a_reply_without_enhanced_code_gets_that_of_its_class(tmp_path: Path) -> None:
    for reply, code in (("550 no", "5.0.0"), ("450 no", "4.0.0")):
        world = World(tmp_path, {ip: Server(say={"RCPT": reply}) for ip in ("192.0.2.1", "192.0.2.2")})
        assert world.send()[0].code == code


@pytest.mark.parametrize(
    "first",
    [
        REFUSED,
        Server(say={"greeting": "421 4.3.2 busy"}),
        Server(say={"greeting": "554 5.7.1 not you"}),
        Server(say={"greeting": CLOSE}),
        Server(say={"EHLO": CLOSE}),
        Server(say={"EHLO": "450 later"}),
        Server(say={"MAIL": "451 4.3.0 later"}),
        Server(say={"RCPT": "450 4.2.0 later"}),
        Server(say={"DATA": "451 4.3.0 later"}),
        Server(say={"DATA": CLOSE}),
        Server(say={"end": "451 4.3.0 later"}),
    ],
)
def test_the_next_server_is_asked(tmp_path: Path, first: Any) -> None:
    if isinstance(first, Server):
        first = Server(say={moment: list(replies) for moment, replies in first.say.items()})
    world = World(tmp_path, {"192.0.2.1": first, "192.0.2.2": Server()})
    (found,) = world.send()
    assert found.ok and found.remote == "b.example.org"
    assert world.ips == ["192.0.2.1", "192.0.2.2"]


def test_nobody_else_gets_what_the_first_may_have(tmp_path: Path) -> None:
    world = World(tmp_path, {"192.0.2.1": Server(say={"end": CLOSE}), "192.0.2.2": Server()})
    (found,) = world.send()
    assert (found.status, found.remote) == ("temp", "")
    assert "a.example.org[192.0.2.1]" in found.text and "end of message" in found.text
    assert world.ips == ["192.0.2.1"]


def test_every_reply_is_in_the_log_though_only_the_last_is_told(tmp_path: Path, lines: list[str]) -> None:
    servers = {
        "192.0.2.1": Server(say={"RCPT": "450 4.2.0 first says later"}),
        "192.0.2.2": Server(say={"greeting": "421 4.3.2 second is busy"}),
    }
    (found,) = World(tmp_path, servers).send()
    assert "first says later" in found.text
    servers["192.0.2.1"] = Server(say={"RCPT": "450 4.2.0 first says later"})
    servers["192.0.2.2"] = Server(say={"RCPT": "450 4.2.0 second says later"})
    (found,) = World(tmp_path, servers).send()
    assert "second says later" in found.text
    assert any("second is busy" in line for line in lines)
    assert any(line.startswith("later ") and "first says later" in line for line in lines)


def test_a_policy_can_rule_out_a_server(tmp_path: Path) -> None:
    async def choice(outside: Any, domain: str, place: Any, route: Any, mail: Any) -> remote.security.Security:
        if place.name == "a.example.org":
            raise Temp("the policy of example.org does not name this server", code="4.7.5")
        return await remote.security.choose(outside, domain, place, route, mail)

    world = World(tmp_path, {"192.0.2.1": Server(), "192.0.2.2": Server()}, choice=choice)
    assert world.send()[0].remote == "b.example.org"
    assert world.ips == ["192.0.2.2"]


def test_only_those_without_an_answer_go_to_the_next(tmp_path: Path) -> None:
    first = Server(say={"RCPT": ["250 ok", "550 5.1.1 no", "450 4.2.0 later"]})
    second = Server()
    world = World(tmp_path, {"192.0.2.1": first, "192.0.2.2": second})
    found = world.send("b@example.org", "c@example.org", "d@example.org")
    assert [one.status for one in found] == ["ok", "perm", "ok"]
    assert [one.remote for one in found] == ["a.example.org", "a.example.org", "b.example.org"]
    assert second.envelopes[0][1:] == ["RCPT TO:<d@example.org>"]


def test_every_server_sends_us_away(tmp_path: Path) -> None:
    no, busy = Server(say={"greeting": "554 5.7.1 not you"}), Server(say={"greeting": "421 4.3.2 busy"})
    (found,) = World(tmp_path, {"192.0.2.1": no, "192.0.2.2": busy}).send()
    assert (found.status, found.remote) == ("temp", "")
    assert "b.example.org[192.0.2.2], greeting: 421 4.3.2 busy" in found.text
    both = {ip: Server(say={"greeting": "554 5.7.1 not you"}) for ip in ("192.0.2.1", "192.0.2.2")}
    (found,) = World(tmp_path, both).send()
    assert (found.status, found.code, found.remote) == ("perm", "5.7.1", "b.example.org")


def test_nobody_answers(tmp_path: Path) -> None:
    (found,) = World(tmp_path, {}).send()
    assert (found.status, found.code, found.remote) == ("temp", "4.4.1", "")
    assert "b.example.org[192.0.2.2]: connection failed: connection refused" in found.text


@pytest.mark.parametrize(
    ("domain", "status", "code"),
    [
        ("null.example", "perm", "5.1.10"),
        ("nowhere.example", "perm", "5.1.2"),
        ("slow.example", "temp", "4.4.3"),
        ("[127.0.0.1]", "perm", "5.4.6"),
    ],
)
def test_no_server_to_ask(tmp_path: Path, domain: str, status: str, code: str) -> None:
    world = World(tmp_path, {})
    (found,) = world.send(f"bob@{domain}", domain=domain)
    assert (found.status, found.code) == (status, code)
    assert world.dialed == []


@pytest.mark.parametrize("moment", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"])
@pytest.mark.parametrize("mood", [CLOSE, SILENCE, DRIP, ENDLESS, DEAF, "400 later", "450 4.2.0 later", "nonsense"])
def test_misbehaviour_everywhere_is_temporary_and_ends(
    tmp_path: Path, moment: str, mood: str, clock: FakeClock
) -> None:
    servers = {ip: Server(say={moment: mood}, clock=clock) for ip in ("192.0.2.1", "192.0.2.2")}
    if moment == "greeting" and mood == DEAF:
        return  # it need not read before it has greeted
    start = clock.time
    world = World(tmp_path, servers)
    found = world.send("b@example.org", "c@example.org")
    assert [one.status for one in found] == ["temp", "temp"]
    assert all(one.text for one in found)
    assert clock.time - start <= 2 * 1300
    run(world.outside.close())
    assert all(servers[ip].closed for ip in world.ips)


def test_not_more_than_a_few_servers_are_talked_to(tmp_path: Path) -> None:
    records = {"example.org": {"MX": [(number, f"m{number}.example.org") for number in range(9)]}}
    records |= {f"m{number}.example.org": {"A": [f"198.51.100.{number + 1}"]} for number in range(9)}
    servers = {f"198.51.100.{number + 1}": Server(say={"RCPT": "450 4.2.0 later"}) for number in range(9)}
    world = World(tmp_path, servers, records)
    assert world.send()[0].status == "temp"
    assert world.ips == ["198.51.100.1", "198.51.100.2", "198.51.100.3"]


def test_dead_addresses_are_tried_last_for_a_while(tmp_path: Path, clock: FakeClock) -> None:
    world = World(tmp_path, {"192.0.2.1": [REFUSED, Server()], "192.0.2.2": [Server(), Server(), Server()]})
    for _ in range(2):
        world.send()
        clock.advance(kept.IDLE_S)
        run(world.outside.tidy())
    assert world.ips == ["192.0.2.1", "192.0.2.2", "192.0.2.2"]
    clock.advance(300)
    world.send()
    assert world.ips[-1] == "192.0.2.1"


def test_ipv6_first_and_little_patience_while_there_are_others(tmp_path: Path) -> None:
    world = World(tmp_path, {"2001:db8::1": REFUSED, "192.0.2.1": Server()})
    world.control(connecttimeout="42", sourceaddresses="192.0.2.7\n2001:db8::7")
    assert world.send("bob@dual.example", domain="dual.example")[0].ok
    assert world.dialed == [("2001:db8::1", 25, 10.0, "2001:db8::7"), ("192.0.2.1", 25, 42.0, "192.0.2.7")]


# TLS


def test_tls_where_it_is_offered(tmp_path: Path, lines: list[str]) -> None:
    server = Server(TLS)
    assert World(tmp_path, {"192.0.2.1": server}).send()[0].ok
    assert server.tls is not None
    assert server.server_names == ["a.example.org"]
    (line,) = [line for line in lines if line.startswith("session ")]
    assert "tls=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 verified=no" in line and "q=deadbeef" in line


def test_in_the_clear_where_tls_fails_and_may(tmp_path: Path) -> None:
    broken, plain = Server(TLS, say={"handshake": "fails"}), Server(TLS)
    world = World(tmp_path, {"192.0.2.1": [broken, plain]})
    assert world.send()[0].ok
    assert plain.tls is None and "STARTTLS" not in plain.commands
    assert broken.closed and broken.messages == []


def test_in_the_clear_where_starttls_is_refused(tmp_path: Path) -> None:
    server = Server(TLS, say={"STARTTLS": "454 4.7.0 not today"})
    world = World(tmp_path, {"192.0.2.1": server})
    assert world.send()[0].ok
    assert world.ips == ["192.0.2.1"]


@pytest.mark.parametrize("level", ["require", "verify"])
@pytest.mark.parametrize(
    "server",
    [
        lambda: Server(["PIPELINING"]),
        lambda: Server(TLS, say={"STARTTLS": "554 5.7.3 never"}),
        lambda: Server(TLS, say={"handshake": "fails"}),
    ],
)
def test_without_tls_that_is_needed_the_mail_waits(tmp_path: Path, level: str, server: Any) -> None:
    servers = {"192.0.2.1": server(), "192.0.2.2": server()}
    world = World(tmp_path, servers)
    world.control(remotetls=level)
    (found,) = world.send()
    assert found.status == "temp" and found.code.startswith("4.7.")
    assert not servers["192.0.2.1"].messages and not servers["192.0.2.2"].messages


def test_no_tls_when_it_is_off(tmp_path: Path) -> None:
    server = Server(TLS)
    world = World(tmp_path, {"192.0.2.1": server})
    world.control(remotetls="off")
    assert world.send()[0].ok
    assert "STARTTLS" not in server.commands


def test_a_wrong_configuration_sends_no_mail_back(tmp_path: Path) -> None:
    world = World(tmp_path, {}, resolver=None)
    for values in ({"dnsservers": "nonsense"}, {"dnsservers": "", "dnstrust": "perhaps"}):
        world.control(**values)
        (found,) = world.send()
        assert (found.status, found.code) == ("temp", "4.3.5")


def test_a_level_that_is_none_keeps_the_mail(tmp_path: Path) -> None:
    world = World(tmp_path, {"192.0.2.1": Server()})
    world.control(remotetls="sometimes")
    assert world.send()[0].status == "temp"
    assert world.dialed == []


def test_the_handshake_checks_what_it_should(tmp_path: Path) -> None:
    seen: list[ssl.SSLContext] = []

    class Watched(Server):
        async def starttls_client(self, server_hostname: str, context: Any) -> None:
            seen.append(context)
            await super().starttls_client(server_hostname, context)

    world = World(tmp_path, {"192.0.2.1": [Watched(TLS), Watched(TLS)]})
    world.send()
    world.control(remotetls="verify")
    world.send()
    assert [context.verify_mode for context in seen] == [ssl.CERT_NONE, ssl.CERT_REQUIRED]
    assert [context.check_hostname for context in seen] == [False, True]


def test_a_message_may_do_without_tls(tmp_path: Path) -> None:
    world = World(tmp_path, {"192.0.2.1": Server(["PIPELINING"])})
    world.control(remotetls="require")
    assert world.send(text=b"TLS-Required: no\n\nx\n")[0].ok


def test_requiretls_wants_names_that_can_be_believed(tmp_path: Path) -> None:
    server = Server([*TLS, "REQUIRETLS"])
    world = World(tmp_path, {"192.0.2.1": server})
    (found,) = world.send(params={"requiretls": "yes"})
    assert (found.status, found.code) == ("perm", "5.7.30")
    assert world.dialed == []
    world.zones.secure = {"example.org", "a.example.org", "b.example.org"}
    world.outside._resolver = type(world.outside.resolver())(world.zones)
    (found,) = world.send(params={"requiretls": "yes"})
    assert found.ok
    assert server.envelopes[0][0].endswith(" REQUIRETLS")


def test_a_policy_can_take_the_place_of_ours(tmp_path: Path) -> None:
    asked = []

    async def choice(outside: Any, domain: str, place: Any, route: Any, mail: Any) -> remote.security.Security:
        asked.append((domain, place.name))
        return remote.security.Security("require", "other.name", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    server = Server(TLS)
    assert World(tmp_path, {"192.0.2.1": server}, choice=choice).send()[0].ok
    assert asked == [("example.org", "a.example.org")]
    assert server.server_names == ["other.name"]


# Connections that are kept


def test_the_next_message_uses_the_same_connection(tmp_path: Path) -> None:
    server = Server(TLS)
    world = World(tmp_path, {"192.0.2.1": server})
    for _ in range(5):
        assert world.send()[0].ok
    assert world.ips == ["192.0.2.1"]
    assert len(server.messages) == 5
    assert server.commands.count("STARTTLS") == 1


def test_kept_connections_end_after_a_while(tmp_path: Path, clock: FakeClock) -> None:
    servers = [Server(), Server()]
    world = World(tmp_path, {"192.0.2.1": list(servers)})
    world.send()
    run(world.outside.tidy())
    assert not servers[0].closed
    clock.advance(kept.IDLE_S)
    run(world.outside.tidy())
    assert servers[0].closed and servers[0].commands[-1] == "QUIT"
    world.send()
    run(world.outside.close())
    assert servers[1].closed and len(world.outside.kept) == 0


def test_a_connection_that_ended_meanwhile_costs_nothing(tmp_path: Path) -> None:
    for mood in (CLOSE, "421 4.4.2 idle too long", "450 4.7.0 too many messages here"):
        first, second = Server(say={"MAIL": ["250 ok", mood]}), Server()
        world = World(tmp_path, {"192.0.2.1": [first, second]})
        assert world.send()[0].ok
        (found,) = world.send()
        assert found.ok and found.remote == "a.example.org"
        assert world.ips == ["192.0.2.1", "192.0.2.1"]
        assert first.closed and len(second.messages) == 1


def test_a_connection_that_is_out_of_step_is_not_used_again(tmp_path: Path) -> None:
    class Chatty(Server):
        def _finish(self, message: bytes) -> None:
            super()._finish(message)
            self._outgoing += b"250 2.0.0 and again\r\n"

    first, second = Chatty(), Server()
    world = World(tmp_path, {"192.0.2.1": [first, second]})
    assert world.send()[0].ok
    assert world.send()[0].ok
    assert (len(first.messages), len(second.messages)) == (1, 1)


def test_a_connection_takes_only_so_many_messages(tmp_path: Path) -> None:
    first, second = Server(["LIMITS MAILMAX=2"]), Server()
    world = World(tmp_path, {"192.0.2.1": [first, second]})
    for _ in range(3):
        assert world.send()[0].ok
    assert (len(first.messages), len(second.messages)) == (2, 1)
    assert first.closed and first.commands[-1] == "QUIT"


def test_different_needs_are_different_connections(tmp_path: Path) -> None:
    first, second = Server(TLS), Server(TLS)
    world = World(tmp_path, {"192.0.2.1": [first, second]})
    world.send()
    world.control(remotetls="require")
    world.send()
    assert world.ips == ["192.0.2.1"] * 2


def test_a_connection_after_a_refusal_can_still_be_used(tmp_path: Path) -> None:
    server = Server(say={"RCPT": ["550 5.1.1 no such user", "250 ok"]})
    world = World(tmp_path, {"192.0.2.1": server})
    assert world.send()[0].status == "perm"
    assert world.send()[0].ok
    assert world.ips == ["192.0.2.1"]
    assert "RSET" in server.commands


def test_limits_of_what_is_kept() -> None:
    keep = kept.Kept(limit=1)
    server = Server()
    from mailkit.smtp.client import hello
    from mailkit.smtp.client.dialogue import Dialogue, Limits

    talk = Dialogue(server, Limits())
    run(hello.greet(talk, "me"))
    assert keep.keep(("a",), talk)
    assert not keep.keep(("b",), talk)
    assert keep.take(("b",)) is None
    assert keep.take(("a",)) is talk
    talk.sent = kept.SENT_MOST
    assert not keep.keep(("a",), talk)
    talk.sent = 1
    keep = kept.Kept()
    assert [keep.keep(("a",), talk) for _ in range(kept.ALIKE_MOST + 1)] == [True] * kept.ALIKE_MOST + [False]
    assert keep.keep(("b",), talk)


# Many recipients


def test_many_recipients_go_in_batches(tmp_path: Path) -> None:
    server = Server()
    world = World(tmp_path, {"192.0.2.1": server})
    found = world.send(*[f"u{number}@example.org" for number in range(250)])
    assert all(one.ok for one in found)
    assert [len(envelope) - 1 for envelope in server.envelopes] == [100, 100, 50]
    assert world.ips == ["192.0.2.1"]


def test_a_server_that_takes_few_gets_them_in_turns(tmp_path: Path) -> None:
    seen = []

    def rcpt(server: Server, line: str) -> str:
        if line.startswith("MAIL"):
            seen.clear()
        seen.append(line)
        if len(seen) % 4 == 0:
            return "452 4.5.3 too many recipients"
        server._accepted += 1
        server._envelope.append(line)
        return "250 ok"

    server = Server(more_commands={"RCPT": rcpt})
    world = World(tmp_path, {"192.0.2.1": server})
    found = world.send(*[f"u{number}@example.org" for number in range(12)])
    assert all(one.ok for one in found)
    assert len(server.messages) > 1
    sent = [line for envelope in server.envelopes for line in envelope[1:]]
    assert sorted(sent) == sorted(f"RCPT TO:<u{number}@example.org>" for number in range(12))


def test_a_server_says_how_many_it_takes(tmp_path: Path) -> None:
    server = Server(["LIMITS RCPTMAX=3"])
    found = World(tmp_path, {"192.0.2.1": server}).send(*[f"u{number}@example.org" for number in range(7)])
    assert all(one.ok for one in found)
    assert [len(envelope) - 1 for envelope in server.envelopes] == [3, 3, 1]


def test_what_was_delivered_stays_delivered_when_the_rest_breaks(tmp_path: Path) -> None:
    first = Server(["LIMITS RCPTMAX=1"], say={"MAIL": ["250 ok", CLOSE]})
    world = World(tmp_path, {"192.0.2.1": first, "192.0.2.2": REFUSED})
    found = world.send("a@example.org", "b@example.org", "c@example.org")
    assert [one.status for one in found] == ["ok", "temp", "temp"]
    assert all(one.text for one in found)


def test_an_error_of_our_own_loses_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    first = Server(["LIMITS RCPTMAX=1"])
    world = World(tmp_path, {"192.0.2.1": first})
    command = transaction.rcpt_command

    def stumbling(talk: Any, to: Any, *more: Any) -> str:
        assert to.address != "b@example.org"
        return command(talk, to, *more)

    monkeypatch.setattr(transaction, "rcpt_command", stumbling)
    found = world.send("a@example.org", "b@example.org", "c@example.org")
    assert [one.status for one in found] == ["ok", "temp", "temp"]
    assert first.closed
    assert any(line.startswith("broken ") and "trace=" in line for line in lines)


# What a server lacks


def test_eight_bit_is_converted_for_a_server_without_it(tmp_path: Path) -> None:
    text = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\ngr\xc3\xbc\xc3\x9fe\n"
    plain, modern = Server([]), Server(["8BITMIME"])
    World(tmp_path, {"192.0.2.1": plain}).send(text=text)
    assert plain.messages[0].endswith(b"Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BC=C3=9Fe\r\n")
    World(tmp_path, {"192.0.2.1": modern}).send(text=text)
    assert modern.messages[0] == text.replace(b"\n", b"\r\n")


def test_what_cannot_be_converted_goes_as_it_is(tmp_path: Path) -> None:
    text = b"Content-Transfer-Encoding: x-odd\n\n\xff\n"
    server = Server([])
    assert World(tmp_path, {"192.0.2.1": server}).send(text=text)[0].ok
    assert server.messages[0] == text.replace(b"\n", b"\r\n")


def test_who_tells_the_sender_of_success(tmp_path: Path) -> None:
    to = Recipient("bob@example.org", params={"notify": "SUCCESS"})
    assert World(tmp_path, {"192.0.2.1": Server(["DSN"])}).send(to)[0].action == remote.HANDED
    assert World(tmp_path, {"192.0.2.1": Server([])}).send(to)[0].action == "relayed"


# Routes


def test_a_smarthost_with_login(tmp_path: Path) -> None:
    def auth(server: Server, line: str) -> str:
        return "235 2.7.0 welcome"

    server = Server([*TLS, "AUTH PLAIN"], more_commands={"AUTH": auth})
    world = World(tmp_path, {"192.0.2.9": server})
    world.control(
        routes="* [192.0.2.9]:587 login=us tls=require helo=out.example.test source=192.0.2.7",
        routelogins="us user secret",
    )
    assert world.send()[0].ok
    assert world.dialed == [("192.0.2.9", 587, 30.0, "192.0.2.7")]
    assert world.zones.asked == []
    assert server.commands[0] == "EHLO out.example.test"
    assert any(command.startswith("AUTH PLAIN ") for command in server.commands)


def test_a_login_that_is_missing_or_refused_keeps_the_mail(tmp_path: Path) -> None:
    refusing = Server(["AUTH PLAIN"], say={"AUTH": "535 5.7.8 wrong"}, peer="127.0.0.1")
    world = World(tmp_path, {"192.0.2.9": refusing})
    world.control(routes="* [192.0.2.9] login=us tls=off")
    assert world.send()[0].status == "temp"
    world.control(routelogins="us user secret")
    world.servers["192.0.2.9"] = [Server(["AUTH PLAIN"], say={"AUTH": "535 5.7.8 wrong"}, peer="127.0.0.1")]
    (found,) = world.send()
    assert (found.status, found.code) == ("temp", "4.7.8")
    assert "535" in found.text and "secret" not in found.text


def test_implicit_tls(tmp_path: Path) -> None:
    server = Server(["PIPELINING"])
    world = World(tmp_path, {"192.0.2.9": server})
    world.control(routes="* smtps:[192.0.2.9]")
    assert world.send()[0].ok
    assert world.dialed[0][:2] == ("192.0.2.9", 465)
    assert server.tls is not None and "STARTTLS" not in server.commands


def test_lmtp_to_a_socket(tmp_path: Path) -> None:
    server = Server(lmtp=True, say={"end": ["250 2.0.0 stored", "452 4.2.2 over quota"]}, peer="")
    world = World(tmp_path, {"/run/lmtp.sock": server})
    world.control(routes="example.org lmtp:/run/lmtp.sock")
    one, two = world.send("b@example.org", "c@example.org")
    assert (one.status, two.status, two.code) == ("ok", "temp", "4.2.2")
    assert one.action == ""
    assert world.dialed == [("/run/lmtp.sock", 0, 30.0, "")]


def test_a_bad_route_keeps_the_mail(tmp_path: Path) -> None:
    world = World(tmp_path, {"192.0.2.1": Server()})
    world.control(routes="* [192.0.2.9")
    (found,) = world.send()
    assert (found.status, found.code) == ("temp", "4.3.5")
    assert world.dialed == []


def test_recipients_are_sent_only_what_they_should_see(tmp_path: Path) -> None:
    server = Server(["DSN"])
    World(tmp_path, {"192.0.2.1": server}).send(
        Recipient("b@example.org", params={"notify": "NEVER", "via": "list@example.test"}), params={"auth": "alice"}
    )
    assert server.envelopes == [["MAIL FROM:<alice@example.test>", "RCPT TO:<b@example.org> NOTIFY=NEVER"]]


def test_trace_shows_every_line(tmp_path: Path) -> None:
    seen: list[str] = []
    World(tmp_path, {"192.0.2.1": Server()}, trace=seen.append).send()
    assert seen[0] == "*  connecting to a.example.org[192.0.2.1] port 25"
    assert "C: EHLO me.example.test" in seen and "S: 250 2.0.0 queued as 4711" in seen
