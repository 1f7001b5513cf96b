"""users.schemes: known answers of Dovecot 2.3 (`doveadm pw -s SCHEME -p secret -u alice@example.test`)."""

from __future__ import annotations

import base64

import pytest

from mailkit.users import schemes, verify
from mailkit.users.passwd import User

ALICE = "alice@example.test"

DOVECOT = [
    "{PLAIN}secret",
    "{CLEAR}secret",
    "{CLEARTEXT}secret",
    "{DES-CRYPT}7T9fX69dNAK3s",
    "{MD5-CRYPT}$1$CMawoBfa$TL2okogXuP8A9AcvcasrO/",
    "{MD5}$1$w9/9J0xn$50MiFrfyCzO79QLHx8v2J0",
    "{SHA256-CRYPT}$5$95etuVuPUsW036lS$uVf24mJC5/RGXJOmciO3iRQoYci1okNGreyyG0VVHOA",
    "{SHA512-CRYPT}$6$kSSlxtgBBqL7reJR$gOvVEWnixM8XPEXStgfT38PURYoTllYoJfiSD6EWRKw1COY616D27ieZFJsPeiSMWmaf8N6"
    "SodYk9bEB.SbLx/",
    "{BLF-CRYPT}$2y$05$2Team8xTq37vK9IOpGCEjO8af8QlyOq6EyqyEQBj2P1C03o7cj9BW",
    "{CRYPT}$2y$05$No0TL84rU.uIKf.aM4XHHOn2y7wnlAjd42Pzvjluj1rkSmUQWiz7q",
    "$2y$05$No0TL84rU.uIKf.aM4XHHOn2y7wnlAjd42Pzvjluj1rkSmUQWiz7q",  # no scheme: CRYPT
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==",
    "{SSHA}uXeHssXr9iwGvI4MG9YLRxohkU6aAbXp",
    "{SSHA256}lBerStpxfYMCkWSP7FB+m5D8RHcs+PodPnIkOp6nfgGD6iVk",
    "{SSHA512}4XDdGTAl81PJ/0s9s9PJV7aFJCuSzhvNLCJxTsaLHjp1qe/CbQ0L1mlMEs/2YsElNLcHm+h2AJylJiq1q9qW3HqqvEk=",
    "{SMD5}4hZSHmBc3RQpbjEkzs/KHt7kIMk=",
    "{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
    "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
    "{PLAIN-MD4}67d3dafef63ff00603aeef3769cfbf0d",
    "{DIGEST-MD5}4842575394a190ef4c973253ba19099c",
    "{PBKDF2}$1$iDcdjOzNPWqjvjp/$5000$aa3ed4f82d25f2b6081924f2bb8a96a87ffa3724",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$Wdu1geFqIxo5ITuWiM4oeA$X7YMQzmHYltJsveo65FWJ51p+AAlseFURK3FsDUM888",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$v81oxuXIOjJqnYZCCtDS2w$juXXxqJYd95Z3UFwvBztK8jRTZfdTMHbNxxZUkT7yUE",
    "{CRYPT}$argon2id$v=19$m=65536,t=3,p=1$v81oxuXIOjJqnYZCCtDS2w$juXXxqJYd95Z3UFwvBztK8jRTZfdTMHbNxxZUkT7yUE",
    "{SCRAM-SHA-1}4096,ng1vFuuM9JSYNexIFBW4Gw==,oMeAm+Ml35mkIdBaDyg6O3NrzUM=,MSBeuOKX1RWtsV/+Tt3X2UR/9UU=",
    "{SCRAM-SHA-256}4096,Uw2M6KTRkTr7Mox/WOggag==,xBDw3j+09sAKDMk/Ci3p4YiI22LId0GA/nptqvgotZQ=,"
    "td28rqVJlVboDZ5BHdSBAzhTLiIX4udjSVbJYZmXqR0=",
]


@pytest.mark.parametrize("field", DOVECOT)
def test_dovecot_hash_fits_its_password_only(field: str) -> None:
    assert schemes.fits(field, b"secret", ALICE)
    assert not schemes.fits(field, b"Secret", ALICE)
    assert not schemes.fits(field, b"", ALICE)


@pytest.mark.parametrize(
    ("scheme", "text"),
    [field[1:].split("}", 1) for field in DOVECOT if field[1:5] in ("SHA}", "SHA2", "SHA5", "SSHA", "SMD5", "LDAP")
     and "CRYPT" not in field],
)  # fmt: skip
def test_encoding_suffixes(scheme: str, text: str) -> None:
    octets = base64.b64decode(text)
    assert schemes.fits(f"{{{scheme}.HEX}}{octets.hex()}", b"secret", ALICE)
    assert schemes.fits(f"{{{scheme.lower()}.b64}}{text}", b"secret", ALICE)
    assert schemes.fits(f"{{{scheme}}}{octets.hex().upper()}", b"secret", ALICE)
    assert not schemes.fits(f"{{{scheme}.hex}}{octets.hex()}", b"wrong", ALICE)


def test_hex_scheme_in_base64() -> None:
    octets = bytes.fromhex("5ebe2294ecd0e0f08eab7690d2a6ee69")
    assert schemes.fits("{PLAIN-MD5.B64}" + base64.b64encode(octets).decode(), b"secret", ALICE)


@pytest.mark.parametrize(
    "field",
    [
        "{NONSENSE}x", "{SHA.ROT13}x", "{CRAM-MD5}00", "{SHA}short", "{SHA}5en6", "{SSHA}AAAA", "{PBKDF2}$1$x$y$z",
        "{PBKDF2}aa", "{ARGON2ID}rubbish", "{ARGON2ID}$argon2id$v=19$m=8,t=1,p=1$AAAA$", "{SCRAM-SHA-1}1,2",
        "{SCRAM-SHA-256}x,y,z,w", "{SMD5}%%%", "{DIGEST-MD5}zz",
    ],
)  # fmt: skip
def test_damaged_hash_is_named_and_fits_nothing(field: str, logged: list[str]) -> None:
    with pytest.raises(ValueError):
        schemes.fits(field, b"secret", ALICE)
    assert not verify.check(User(ALICE, field), "secret")
    assert ALICE in logged[0] and "secret" not in logged[0]


@pytest.mark.parametrize("field", ["", "*", "!", "{CRYPT}*", "{CRYPT}!$6$x$y", "{CRYPT}", "x", "*0", "*1"])
def test_locked_account_has_no_password(field: str) -> None:
    for password in ("", "*", "!", "x", "*0"):
        assert not verify.check(User(ALICE, field), password)


def test_crypt_without_the_systems_libcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemes, "_libcrypt", lambda: None)
    for field in DOVECOT:
        if "SHA512-CRYPT" in field or "MD5-CRYPT" in field or "DES-CRYPT" in field:
            assert schemes.fits(field, b"secret", ALICE)
            assert not schemes.fits(field, b"wrong", ALICE)


def test_modular_formats_that_only_libpass_knows() -> None:
    from passlib.hash import pbkdf2_sha256

    field = "{CRYPT}" + pbkdf2_sha256.using(rounds=10).hash("secret")
    assert schemes.fits(field, b"secret", ALICE)
    assert not schemes.fits(field, b"wrong", ALICE)


def test_new_hash_is_argon2id_of_the_small_machine() -> None:
    field = verify.hashed("pässword")
    assert field.startswith("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$")
    assert field != verify.hashed("pässword")
    assert verify.check(User(ALICE, field), "pässword")
    assert not verify.check(User(ALICE, field), "password")
    assert not verify.weaker(field)


@pytest.mark.parametrize("password", ["", "a\0b", "a\nb", "x" * 1025, "\ud800"])
def test_impossible_new_password(password: str) -> None:
    with pytest.raises(ValueError):
        verify.hashed(password)


def test_password_typed_on_another_keyboard_fits() -> None:
    """SASLprep: composed and decomposed letters, ligatures, and odd blanks are one."""
    user = User(ALICE, verify.hashed("Zoe\u0308 \ufb01sh"))
    assert verify.check(user, "Zo\u00eb\u00a0fish")


def test_hash_made_by_others_without_saslprep_fits() -> None:
    assert verify.check(User(ALICE, "{PLAIN}Zoe\u0308"), "Zoe\u0308")


def test_nul_does_not_cut_a_password() -> None:
    assert not verify.check(User(ALICE, "{SHA512-CRYPT}" + DOVECOT[7][14:]), "secret\0x")


def test_unknown_user_is_compared_with_a_hash_of_the_same_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(schemes, "fits", lambda text, password, address: bool(asked.append(text)))
    assert not verify.check(None, "secret")
    assert asked[0].split("$")[1:4] == verify.hashed("x").split("$")[1:4]


def test_nobodys_hash_is_a_hash() -> None:
    assert schemes.fits(verify._NOBODY, b"secret", "") is False


@pytest.mark.parametrize("field", ["{PLAIN}x", "{SSHA}x", DOVECOT[-4].replace("m=65536", "m=8192")])
def test_weaker(field: str) -> None:
    assert verify.weaker(field)


def test_set_password_stores_keys_of_the_same_password() -> None:
    user = User(ALICE, "{PLAIN}old", fields={"nologin": ""})
    verify.set_password(user, "secret", 4096)
    assert list(user.fields) == ["nologin", "scram-sha-256", "scram-sha-1"]
    for field in ("scram-sha-256", "scram-sha-1"):
        assert schemes.fits(f"{{{field.upper()}}}{user.fields[field]}", b"secret", ALICE)
    verify.set_password(user, "other", 0)
    assert list(user.fields) == ["nologin"]
