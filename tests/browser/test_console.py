"""The running console in a real browser: what its pages show, to whom, and how well."""

import re

import pytest
from browser.seen import NARROW, Seen
from fakes.running import KEY
from playwright.sync_api import expect

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

DISAGREE = "Name a colour. sim:disagree sim:ttft=1500"
PATHS = {
    "overview": "",
    "requests": "/requests",
    "migrations": "/migrations",
    "gpu": "/gpu",
    "quality": "/quality",
    "providers": "/providers",
    "keys": "/keys",
    "playground": "/playground",
}
TITLES = {"gpu": "GPU", "migrations": "Migrations to the local model"}
each_page = pytest.mark.parametrize("name", PATHS)


@pytest.mark.parametrize("theme", ["light", "dark"])
@each_page
def test_a_page_is_whole_and_accessible(view, pictures, name, theme) -> None:
    seen = view(PATHS[name], theme=theme)

    expect(seen.page.get_by_role("heading", level=1)).to_have_text(
        TITLES.get(name, name.capitalize())
    )
    current = seen.page.locator("nav [aria-current=page]")
    assert current.get_attribute("href") == f"/console{PATHS[name]}"
    assert seen.flaws() == []
    seen.keep(pictures / f"{name}-{theme}.png", whole=False)


@each_page
def test_nothing_of_a_page_is_wider_than_a_phone(view, pictures, name) -> None:
    seen = view(PATHS[name], width=NARROW)

    assert not seen.is_overflowing()
    assert seen.flaws() == []
    seen.keep(pictures / f"{name}-phone.png", whole=False)


def test_a_stranger_is_shown_the_door_and_led_on_from_there(view) -> None:
    seen = view("/gpu", signed_in=False)
    assert "/console/login" in seen.page.url
    assert seen.flaws() == []

    seen.sign_in("wrong-key")
    expect(seen.page.get_by_role("alert")).to_contain_text("key")
    assert KEY not in seen.page.content()
    # The refusal's own status is what the browser complains of.
    seen.wrongs = [wrong for wrong in seen.wrongs if "status of 40" not in wrong]

    seen.sign_in()
    expect(seen.page).to_have_url(f"{seen.url}/console/gpu")
    cookie = seen.page.context.cookies()[0]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert seen.page.evaluate("document.cookie") == ""

    seen.page.get_by_role("button", name="Sign out").click()
    seen.go("/keys")
    assert "/console/login" in seen.page.url


def test_the_theme_is_switched_and_kept(view) -> None:
    seen = view("", theme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = seen.page.evaluate(paper)

    seen.page.get_by_role("button", name="Switch to the light theme").click()
    light = seen.page.evaluate(paper)
    seen.go("/requests")

    assert seen.page.evaluate(paper) == light != dark


def test_the_keyboard_reaches_the_content_first(view) -> None:
    seen = view("")

    seen.page.keyboard.press("Tab")
    skip = seen.page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    seen.page.keyboard.press("Enter")

    expect(seen.page.locator("#main")).to_be_focused()


def test_the_overview_answers_the_five_questions(view) -> None:
    seen = view("")
    main = seen.page.locator("main")

    expect(main).to_contain_text(re.compile(r"\$\d+\.\d\d of \$180\.00 spent"))
    expect(main).to_contain_text(re.compile(r"(stay under|reach|pass) its cap"))
    expect(main).to_contain_text("Does the local model pay?")
    expect(main).to_contain_text("The local model's machine")
    expect(main).to_contain_text("two cheap models must agree")
    assert seen.page.locator("figure[data-drawn] canvas").count() == 2


def test_pictures_have_their_figures_as_tables(view) -> None:
    seen = view("/gpu")

    seen.page.get_by_text("The same as a table").click()
    expect(seen.page.get_by_role("table", name="Timeline, the newest first")).to_contain_text(
        "asleep"
    )


def test_a_list_is_narrowed_and_leads_to_receipts(view, pictures) -> None:
    seen = view("/requests")

    seen.page.get_by_label("Route").select_option("tier1")
    seen.page.get_by_role("button", name="Show", exact=True).click()
    rows = seen.page.locator("tbody tr")
    assert {row.split()[0] for row in rows.locator("td:nth-child(3)").all_inner_texts()} == {
        "tier1"
    }
    seen.page.get_by_role("link", name="Older").click()
    expect(seen.page.get_by_role("link", name="Newest")).to_be_visible()
    rows.first.get_by_role("link", name=re.compile("Receipt of")).click()

    expect(seen.page.get_by_role("heading", level=1)).to_have_text("Receipt")
    expect(seen.page.locator("main")).to_contain_text("claude-opus-5-5")
    expect(seen.page.locator("main")).to_contain_text("the text asks for design")
    assert seen.flaws() == []
    seen.keep(pictures / "receipt.png")


def test_a_request_appears_by_itself(view, site) -> None:
    seen = view("/requests")

    reply = site.client.chat.completions.with_raw_response.create(
        model="tier3", messages=[{"role": "user", "content": "What is 6 * 7?"}]
    )

    row = seen.page.locator(f"#row-{reply.headers['x-tercet-request-id']}")
    expect(row).to_contain_text("answered", timeout=15_000)


def test_updating_can_be_stopped(view) -> None:
    seen = view("/requests")
    asked: list[str] = []

    seen.page.get_by_role("button", name="Stop updating").click()
    seen.page.on("request", lambda request: asked.append(request.url))
    seen.page.wait_for_timeout(4_000)

    assert asked == []


def test_who_is_signed_out_meanwhile_is_led_to_the_door(view) -> None:
    seen = view("/requests")

    seen.page.context.clear_cookies()

    expect(seen.page).to_have_url(re.compile("/console/login"), timeout=15_000)
    # The refusal's own status is what the browser complains of.
    seen.wrongs = [wrong for wrong in seen.wrongs if "status of 401" not in wrong]


def test_what_a_caller_wrote_is_text(view) -> None:
    seen = view("/keys")

    expect(seen.page.get_by_text("<b>intern</b>")).to_be_visible()
    assert seen.page.locator("main b").count() == 0


def ask(seen: Seen, question: str, model: str, *, strict: bool = False) -> None:
    seen.page.get_by_label("Question").fill(question)
    seen.page.get_by_label("Answered by").select_option(model)
    seen.page.get_by_label(re.compile("strict")).set_checked(strict)
    seen.page.keyboard.press("Tab")
    seen.page.get_by_role("button", name="Ask").press("Enter")


def test_the_rounds_and_the_vote_are_seen_as_they_happen(view, pictures) -> None:
    seen = view("/playground")
    rounds = seen.page.locator("#rounds")

    ask(seen, DISAGREE, "tier3", strict=True)

    expect(rounds).to_contain_text("Round 1", timeout=20_000)
    expect(seen.page.locator("#route")).to_contain_text("tier3: consensus")
    assert "Round 3" not in rounds.inner_text()
    assert seen.page.locator("#answer").inner_text() == ""
    expect(rounds).to_contain_text("Round 2", timeout=20_000)
    seen.keep(pictures / "playground-live.png", whole=False)
    expect(rounds).to_contain_text("Round 3", timeout=20_000)
    expect(seen.page.locator("#verdict")).to_contain_text("vote after round 3", timeout=20_000)
    assert rounds.locator("li li").count() == 6
    assert seen.page.locator("#answer").inner_text().startswith("[simulated]")
    assert seen.flaws() == []
    seen.keep(pictures / "playground-done.png", whole=False)

    seen.page.get_by_role("link", name="Open the receipt").click()
    expect(seen.page.get_by_role("heading", level=1)).to_have_text("Receipt")
    expect(seen.page.locator("main")).to_contain_text("Round 3")


def test_an_answer_streams_word_by_word(view) -> None:
    seen = view("/playground")
    answer = seen.page.locator("#answer")

    ask(seen, "Count. sim:words=40 sim:drip=100", "claude-haiku-5-5")

    expect(answer).not_to_be_empty(timeout=20_000)
    early = len(answer.inner_text())
    expect(seen.page.get_by_role("link", name="Open the receipt")).to_be_visible(timeout=30_000)
    assert early < len(answer.inner_text())
    expect(seen.page.get_by_role("status")).to_have_text("answered")


def test_a_refusal_is_told_in_the_gateways_words(view) -> None:
    seen = view("/playground")

    ask(seen, "hello sim:too-long", "claude-haiku-5-5")

    expect(seen.page.get_by_role("alert")).to_contain_text("400", timeout=20_000)


def test_what_is_stopped_ends(view, site) -> None:
    seen = view("/playground")

    ask(seen, "Count. sim:words=200 sim:drip=100", "claude-haiku-5-5")
    expect(seen.page.locator("#answer")).not_to_be_empty(timeout=20_000)
    seen.page.get_by_role("button", name="Stop").click()

    expect(seen.page.get_by_role("alert")).to_contain_text("Stopped")
    seen.go("/requests")
    newest = seen.page.locator("tbody tr").first
    expect(newest).to_contain_text("abandoned", timeout=20_000)


def test_what_a_model_says_is_text(view) -> None:
    seen = view("/playground")

    ask(seen, "Repeat: <img src=x onerror=alert(1)>", "claude-haiku-5-5")

    expect(seen.page.get_by_role("link", name="Open the receipt")).to_be_visible(timeout=20_000)
    assert seen.page.locator("#answer img").count() == 0
