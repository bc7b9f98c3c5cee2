"""What the page does not let happen, whatever a model says; and that everybody can use it."""

import pytest
from playwright.sync_api import Error, expect

from tests.page.conftest import ask, open_settings, visit

pytestmark = [pytest.mark.page, pytest.mark.timeout(120, func_only=True)]
HOSTILE = [
    "<script>document.title = 'taken'</script>",
    "<img src=x onerror=\"document.title = 'taken'\">",
    "<svg onload=\"document.title = 'taken'\"></svg>",
    "[click](javascript:document.title='taken')",
    '<a href="javascript:document.title=1">click</a>',
    "![steal](https://example.org/steal.png)",
    "<iframe src='https://example.org'></iframe>",
    '<form action="https://example.org"><button>go</button></form>',
    "<style>body { display: none }</style>",
    '<div id="prompt" style="position:fixed">x</div>',
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "```html\n<script>document.title = 'taken'</script>\n```",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_a_model_never_run_load_or_send(page, answer, text, faults):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    answer({"content": f"Before.\n\n{text}\n\nAfter."}, {"reasoning_content": text})
    ask(page, text)
    expect(page.locator(".turn.assistant .answer")).to_contain_text("Before.")
    for link in page.locator(".answer a").all():
        assert not (link.get_attribute("href") or "").startswith("javascript")
    assert page.title() == "jaxchat"
    assert page.locator(".turn :is(script, img, svg, iframe, form, style, [style], [id])").count() == 0
    assert all("/v1/chat/completions" in url for url in asked)
    faults[:] = [fault for fault in faults if "inline style" not in fault]  # refused while it is being sanitised


def test_markdown_is_set_out(page, answer):
    answer({"content": "# Title\n\n- *one*\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[there](https://example.org)"})
    ask(page, "Hello")
    shown = page.locator(".answer")
    for tag in ("h1", "li em", "td", "a[rel~=noopener][target=_blank]"):
        expect(shown.locator(tag).first).to_be_visible()


def test_markup_that_is_not_sanitised_is_refused_by_the_policy(page, faults):
    with pytest.raises(Error, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<b>taken</b>'")
    with pytest.raises(Error, match="TrustedScript"):
        page.evaluate("document.head.append(Object.assign(document.createElement('script'), {text: 'taken'}))")
    assert page.locator("#composer").is_visible() and len(faults) == 2
    faults.clear()


def test_a_server_with_keys_is_asked_with_the_key(browser, keyed_site):
    context = browser.new_context(base_url=keyed_site.url)
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#status")).to_contain_text("API key")
    open_settings(page, "Page")
    page.fill("#key", "open")
    page.press("#key", "Tab")
    page.wait_for_selector("#parameters input", state="attached")
    ask(page, "What is the capital of France?")
    expect(page.locator(".turn.assistant .answer")).to_contain_text("Paris")
    assert "open" not in page.evaluate("JSON.stringify(localStorage)")
    context.close()


def test_every_field_has_a_name_and_the_tab_key_reaches_what_can_be_used(page, answer):
    answer({"content": "yes"})
    ask(page, "Hello")
    open_settings(page, "Sampling")
    for control in page.locator("button, input:not([type=file]), select, textarea").all():
        if control.is_visible():
            name = control.evaluate("(node) => node.ariaLabel || node.labels?.[0]?.textContent || node.textContent")
            assert name.strip(), control.evaluate("(node) => node.outerHTML")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"prompt", "send", "model", "new", "show-settings", "system", "log", "Edit", "Regenerate"} <= reached
    assert page.locator("main, [role=log], aside, header").count() == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_contrast_in_both_schemes(page, scheme):
    page.emulate_media(color_scheme=scheme)
    ratios = page.evaluate("""() => {
        const style = getComputedStyle(document.documentElement);
        const light = (name) => {
            const hex = style.getPropertyValue(name).trim().slice(1);
            const parts = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
                .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const pairs = [['--text', '--back'], ['--faint', '--back'], ['--faint', '--raised'], ['--wrong', '--back'],
            ['--on-accent', '--accent'], ...[0, 1, 2, 3, 4].map((band) => ['--text', `--band${band}`])];
        return pairs.map((pair) => {
            const [dark, bright] = pair.map(light).sort((a, b) => a - b);
            return [pair.join(' on '), (bright + 0.05) / (dark + 0.05)];
        });
    }""")
    assert not [pair for pair in ratios if pair[1] < 4.5]  # WCAG 2.2, 1.4.3, level AA


def test_a_phone_shows_all_of_it(page, answer):
    page.set_viewport_size({"width": 360, "height": 640})
    visit(page)
    answer({"content": "word " * 50 + "x" * 200})
    ask(page, "Hello")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    open_settings(page)
    expect(page.locator("#system")).to_be_in_viewport()
    page.click("#show-settings")
    expect(page.locator("#prompt")).to_be_in_viewport()
