from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from settings_fakes import ENVIRON, PEM, loaded, planhat, rocketlane, write

from portal_gateway.errors import SettingsError
from portal_gateway.settings import Settings, load_settings
from portal_gateway.settings.secrets import Secret

VALUE = "value-that-nobody-may-see"


class Holder(BaseModel):
    secret: Secret


def resolve(form: object, base_dir: Path = Path(), **environ: str) -> Secret:
    return Holder.model_validate({"secret": form}, context={"environ": environ, "base_dir": base_dir}).secret


def refusal(form: object, base_dir: Path = Path(), **environ: str) -> str:
    """The message for a form that is refused; fails if it shows the value."""
    with pytest.raises(ValidationError) as caught:
        resolve(form, base_dir, **environ)
    [detail] = caught.value.errors(include_input=False, include_url=False)
    assert VALUE not in str(detail)
    return detail["msg"]


# Where secrets come from


def test_from_the_environment() -> None:
    secret = resolve({"env": "TOKEN"}, TOKEN=VALUE)
    assert (secret.reveal(), secret.reveal_bytes(), secret.source) == (VALUE, VALUE.encode(), "env TOKEN")


def test_from_the_process_environment_without_a_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", VALUE)
    assert Holder.model_validate({"secret": {"env": "TOKEN"}}).secret.reveal() == VALUE


def test_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    write(tmp_path / "token", VALUE)
    secret = resolve({"file": "token"}, tmp_path)
    assert (secret.reveal(), secret.source) == (VALUE, "file token")
    assert resolve({"file": str(tmp_path / "token")}, Path("/elsewhere")) == secret


def test_a_ready_secret_is_taken_as_it_is() -> None:
    secret = Secret(b"x", "made by hand")
    assert resolve(secret) is secret


@pytest.mark.parametrize("written", [f"{VALUE}\n", f"{VALUE}\r\n", f"  {VALUE}\n\n"])
def test_blanks_around_a_secret_are_no_part_of_it(tmp_path: Path, written: str) -> None:
    write(tmp_path / "token", written)
    assert resolve({"file": "token"}, tmp_path).reveal() == VALUE
    assert resolve({"env": "TOKEN"}, TOKEN=written).reveal() == VALUE


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(VALUE, id="the-value-itself"),
        pytest.param(VALUE.encode(), id="bytes"),
        pytest.param({"value": VALUE}, id="value-key"),
        pytest.param({"env": "A", "file": "b"}, id="both"),
        pytest.param({"env": "A", "default": VALUE}, id="default"),
        pytest.param({}, id="neither"),
        pytest.param({"env": 7}, id="number"),
        pytest.param({"file": ""}, id="empty-path"),
        pytest.param({"file": f"-----BEGIN PRIVATE KEY-----\n{VALUE}\n"}, id="pem-text-for-a-path"),
        pytest.param({"file": f"a\0{VALUE}"}, id="nul-in-a-path"),
        pytest.param({"file": ["a"]}, id="list"),
        pytest.param(None, id="null"),
        pytest.param(7, id="bare-number"),
        pytest.param([VALUE], id="in-a-list"),
    ],
)
def test_other_forms_are_refused_with_the_right_form(form: object) -> None:
    assert refusal(form).startswith("write a secret as {env: NAME} or {file: PATH}; a value in the configuration")


@pytest.mark.parametrize("name", ["", VALUE, "sk.live.1", "A B", "1A", "A\0", "é"])
def test_a_token_in_the_place_of_a_variables_name_is_not_shown(name: str) -> None:
    message = refusal({"env": name})
    assert message.startswith("env takes the name of an environment variable (letters, digits and _)")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        pytest.param({}, "environment variable TOKEN is not set", id="absent"),
        pytest.param({"TOKEN": ""}, "environment variable TOKEN is empty", id="empty"),
        pytest.param({"TOKEN": " \n"}, "environment variable TOKEN is empty", id="blank"),
        pytest.param(
            {"TOKEN": os.fsdecode(b"\xff" + VALUE.encode())},
            "environment variable TOKEN is not text (expected a token or PEM)",
            id="bytes",
        ),
    ],
)
def test_variables_without_a_usable_value(environ: dict[str, str], message: str) -> None:
    assert refusal({"env": "TOKEN"}, **environ) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "secret file token is empty", id="empty"),
        pytest.param(b" \n", "secret file token is empty", id="blank"),
        pytest.param(b"\xff" + VALUE.encode(), "secret file token is not text (expected a token or PEM)", id="bytes"),
        pytest.param(
            VALUE.encode() * 4000,
            "secret file token is larger than 65536 bytes (expected a token or PEM)",
            id="large",
        ),
        pytest.param(None, "cannot read secret file token: No such file or directory", id="absent"),
    ],
)
def test_files_without_a_usable_value(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        write(tmp_path / "token", content)
    assert refusal({"file": "token"}, tmp_path) == message


def test_a_directory_is_no_secret(tmp_path: Path) -> None:
    assert refusal({"file": "."}, tmp_path) == "cannot read secret file .: Is a directory"


# What does not show them


def test_secrets_are_compared_by_value() -> None:
    assert Secret(b"a", "x") == Secret(b"a", "y")
    assert hash(Secret(b"a", "x")) == hash(Secret(b"a", "y"))
    assert Secret(b"a", "x") != Secret(b"b", "x")
    assert Secret(b"a", "x") != b"a"


@pytest.fixture
def everything(tmp_path: Path) -> Settings:
    write(tmp_path / "key.pem", PEM)
    return loaded(
        forget={"secret": {"env": "PORTAL_FORGET_SECRET"}},
        identity=[{"source": "jwt", "secret": {"env": "JWT_SECRET"}, "algorithms": ["HS256"]}],
        portals={
            "a": planhat(),
            "b": rocketlane(),
            "c": rocketlane(signing={"algorithm": "ES256", "key": {"file": str(tmp_path / "key.pem")}}),
        },
    )


def hidden() -> list[str]:
    return [*ENVIRON.values(), *PEM.splitlines()[1:-1]]


def test_nothing_that_shows_settings_shows_a_secret(everything: Settings) -> None:
    shown = [
        repr(everything),
        str(everything),
        repr(everything.model_dump()),
        str(everything.model_dump(mode="json")),
        everything.model_dump_json(),
        repr(dict(everything)),
        repr([vars(portal) for portal in everything.portals.values()]),
        repr(list(everything.__rich_repr__())),
        repr(everything.model_copy(update={"mount_path": "/x"})),
        repr(everything.model_copy(deep=True)),
    ]
    for text in shown:
        for secret in hidden():
            assert secret not in text
    assert "env PLANHAT_API_TOKEN" in repr(everything)
    assert everything.model_dump()["forget"]["secret"] == "<env PORTAL_FORGET_SECRET>"


def test_the_secrets_are_there_all_the_same(everything: Settings) -> None:
    assert everything.forget is not None
    assert everything.forget.secret.reveal() == ENVIRON["PORTAL_FORGET_SECRET"]
    assert everything.model_copy(deep=True) == everything


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secrets_are_not_pickled(everything: Settings, protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(everything, protocol)
    with pytest.raises(TypeError, match="not pickled"):
        copy.copy(Secret(b"a", "x")).__reduce_ex__(protocol)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"mount_path": "/"}, id="beside"),
        pytest.param({"portals": {"a": planhat(cluster="EU 5")}}, id="in-the-same-portal"),
        pytest.param({"portals": {"a": planhat(inject=[{"at": "p", "sign": "inline"}])}}, id="whole-portal"),
        pytest.param(
            {"portals": {"a": rocketlane(signing={"algorithm": "RS256", "key": {"env": "JWT_SECRET"}})}}, id="key"
        ),
        pytest.param(
            {"identity": [{"source": "jwt", "public_key": {"env": "JWT_SECRET"}, "algorithms": ["RS256"]}]},
            id="public-key",
        ),
        pytest.param(
            {"identity": [{"source": "jwt", "secret": {"env": "SHARED_SECRET"}, "algorithms": ["HS512"]}]},
            id="too-short",
        ),
        pytest.param({"portals": {"a": planhat(api_token=ENVIRON["PLANHAT_API_TOKEN"])}}, id="value-in-the-file"),
        pytest.param({"portals": {"a": planhat(api_token={"env": ENVIRON["JWT_SECRET"]})}}, id="value-for-a-name"),
    ],
)
def test_no_error_shows_a_secret(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"portals": {"a": planhat()}, **wrong}, environ=ENVIRON)
    error: BaseException | None = caught.value
    while error is not None:  # also not in what a log that follows the chain would print
        for secret in ENVIRON.values():
            assert secret not in f"{error} {error!r} {error.args}"
        error = error.__context__


def test_a_token_that_yaml_takes_for_something_else_is_not_shown(tmp_path: Path) -> None:
    for start in ("!", "*", "%", "@", "`", "- ", "'"):
        path = write(tmp_path / "c.yaml", f"portals: {{a: {{provider: planhat, api_token: {start}{VALUE}}}}}\n")
        with pytest.raises(SettingsError) as caught:
            load_settings(path, environ={})
        assert VALUE not in str(caught.value)
