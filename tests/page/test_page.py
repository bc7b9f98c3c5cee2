"""What a person can do on the page."""

import json

import pytest
from playwright.sync_api import expect

from tests.page.conftest import ask, open_settings, visit

pytestmark = [pytest.mark.page, pytest.mark.timeout(120, func_only=True)]
SCHEMA = {"type": "object", "properties": {"ready": {"type": "boolean"}}, "required": ["ready"]}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}


def test_a_question_is_answered_with_its_figures(page):
    ask(page, "What is the capital of France?")
    expect(page.locator(".turn.assistant .answer")).to_contain_text("Paris")
    expect(page.locator(".figures")).to_contain_text("tokens, first after")


def test_an_answer_can_be_stopped_and_what_it_has_stays(page):
    slow = {"offline": False, "latency": 0, "downloadThroughput": 4000, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    open_settings(page)
    page.select_option("#form", "regex")
    page.fill("#grammar", "a{900}")
    page.fill("#prompt", "Go on")
    page.press("#prompt", "Enter")
    page.wait_for_selector(".turn.assistant .answer")
    page.keyboard.press("Escape")
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator(".turn.assistant .error")).to_have_text("You stopped this answer.")
    assert 0 < len(page.locator(".turn.assistant .answer").inner_text()) < 900


def test_regenerating_replaces_the_answer(page, answer):
    answer({"content": "one"})
    ask(page, "Hello")
    answer({"content": "two"})
    page.click("text=Regenerate")
    expect(page.locator(".turn.assistant .answer")).to_have_text("two")
    assert [len(body["messages"]) for body in answer.bodies] == [1, 1]


def test_editing_takes_the_conversation_back_to_there(page, answer):
    answer({"content": "one"})
    for text in ("first", "second"):
        ask(page, text)
    page.locator(".turn.user >> nth=0").get_by_text("Edit").click()
    assert page.input_value("#prompt") == "first"
    ask(page, "third")
    expect(page.locator(".turn")).to_have_count(2)
    assert [message["content"] for message in answer.bodies[-1]["messages"]] == ["third"]


def test_the_arrow_key_takes_back_the_last_message(page, answer):
    answer({"content": "one"})
    ask(page, "first")
    page.press("#prompt", "ArrowUp")
    assert page.input_value("#prompt") == "first" and page.locator(".turn").count() == 0


def test_shift_and_enter_break_the_line(page):
    page.fill("#prompt", "one")
    page.press("#prompt", "Shift+Enter")
    page.keyboard.type("two")
    assert page.input_value("#prompt") == "one\ntwo" and page.locator(".turn").count() == 0


def test_system_prompt_stops_and_parameters_are_sent(page, answer):
    answer({"content": "yes"})
    open_settings(page, "Sampling")
    page.fill("#system", "Be brief.")
    page.fill("#stops", "END\n###")
    page.fill("#parameter-temperature", "0.5")
    page.fill("#parameter-seed", "7")
    ask(page, "Hello")
    body = answer.bodies[0]
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["temperature"], body["seed"], body["stop"]) == (0.5, 7, ["END", "###"])
    assert "top_p" not in body and body["stream"] is True


def test_ranges_are_those_of_the_document_and_hold(page, answer):
    answer({"content": "yes"})
    open_settings(page, "Sampling")
    for name, least, most in (("temperature", "0", None), ("top_p", "0", "1"), ("frequency_penalty", "-2", "2")):
        field = page.locator(f"#parameter-{name}")
        assert (field.get_attribute("min"), field.get_attribute("max")) == (least, most)
    page.fill("#parameter-top_p", "3")
    page.fill("#prompt", "Hello")
    page.press("#prompt", "Enter")
    expect(page.locator("#announcement")).to_contain_text("top_p")
    assert not answer.bodies


def test_an_answer_of_a_schema_is_valid_and_set_out(page):
    open_settings(page)
    page.select_option("#form", "json_schema")
    page.fill("#grammar", json.dumps(SCHEMA))
    ask(page, "Are you ready?")
    text = page.locator(".turn.assistant pre.answer").inner_text()
    assert isinstance(json.loads(text)["ready"], bool) and "\n" in text


def test_a_schema_that_is_no_json_yet_is_told_beside_it_and_not_sent(page, answer):
    answer({"content": "yes"})
    open_settings(page)
    page.select_option("#form", "json_schema")
    page.fill("#grammar", '{"type": ')
    expect(page.locator("#grammar-error")).to_contain_text("no JSON yet")
    page.fill("#prompt", "Hello")
    page.press("#prompt", "Enter")
    expect(page.locator("#status")).to_contain_text("no JSON yet")
    assert not answer.bodies


def test_what_the_server_says_is_wrong_is_shown(page, faults):
    open_settings(page)
    page.select_option("#form", "regex")
    page.fill("#grammar", "(")
    page.fill("#prompt", "Hello")
    page.press("#prompt", "Enter")
    expect(page.locator(".turn.assistant .error")).to_contain_text("response_format.schema")
    assert len(faults) == 1 and "422" in faults.pop()


def test_calls_are_cards_that_take_a_result(page, answer):
    call = {"index": 0, "id": "call_1", "function": {"name": "look_up", "arguments": '{"a": 1}'}}
    answer({"tool_calls": [call]}, finish="tool_calls")
    open_settings(page, "Tools")
    page.fill("#tools", json.dumps([TOOL]))
    ask(page, "Look it up")
    card = page.get_by_label("Call of look_up")
    expect(card).to_contain_text('"a": 1')
    answer({"content": "It is 5."})
    page.get_by_label("Result of look_up").fill("5")
    page.click("text=Give result")
    expect(page.locator(".turn.assistant .answer")).to_have_text("It is 5.")
    first, second = answer.bodies
    assert first["tools"] == [TOOL] and first["tool_choice"] == "auto"
    assert second["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "5"}
    assert second["messages"][-2]["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"a": 1}'}


def test_a_real_call_is_a_card(page):
    open_settings(page, "Tools")
    page.fill("#tools", json.dumps([TOOL]))
    page.select_option("#tool-choice", "required")
    ask(page, "Look it up")
    expect(page.get_by_label("Call of look_up")).to_be_visible()


def test_reasoning_is_folded_and_opens(page, answer):
    answer({"reasoning_content": "Let me think."}, {"content": "Done."})
    ask(page, "Hello")
    expect(page.get_by_text("Let me think.")).to_be_hidden()
    page.click("summary:text-is('Reasoning')")
    expect(page.get_by_text("Let me think.")).to_be_visible()


def test_tokens_tell_their_probabilities_to_pointer_and_keyboard(page):
    open_settings(page)
    page.check("#logprobs")
    ask(page, "What is the capital of France?")
    token = page.locator(".token").first
    hint = token.locator("[role=tooltip]")
    expect(hint).to_be_hidden()
    token.hover()
    expect(hint).to_be_visible()
    expect(hint.locator("tr")).to_have_count(5)
    page.mouse.move(0, 0)
    expect(hint).to_be_hidden()
    token.focus()
    expect(hint).to_be_visible()
    page.click("text=Tokens >> nth=0")
    expect(page.locator(".token")).to_have_count(0)


def test_what_had_no_effect_is_named(page, answer):
    answer({"content": "yes"}, headers={"x-ignored-parameters": "tools,messages.0.name"})
    ask(page, "Hello")
    expect(page.get_by_text("Without effect: tools, messages.0.name")).to_be_visible()


def test_the_conversation_and_settings_are_there_again_and_can_be_left(page, answer):
    answer({"content": "one"})
    open_settings(page)
    page.fill("#system", "Be brief.")
    ask(page, "Hello")
    visit(page)
    expect(page.locator(".turn")).to_have_count(2)
    assert page.input_value("#system") == "Be brief."
    page.click("#new")
    expect(page.locator(".turn")).to_have_count(0)
    visit(page)
    expect(page.locator(".turn")).to_have_count(0)


def test_nothing_is_attached_to_a_model_that_takes_text_alone(page):
    expect(page.locator("#attach")).to_be_hidden()


def test_media_go_with_the_message_where_the_model_takes_them(page, answer):
    models = {"data": [{"id": "tiny", "input_modalities": ["text", "image"]}]}
    page.route("**/v1/models", lambda route: route.fulfill(json=models))
    visit(page)
    answer({"content": "A picture."})
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n"}
    page.set_input_files("#files", [picture, {**picture, "name": "b.png"}, {**picture, "mimeType": "audio/wav"}])
    expect(page.locator("#attachments li")).to_have_count(2)
    page.click("[aria-label='Remove b.png']")
    ask(page, "What is it?")
    media, text = answer.bodies[0]["messages"][0]["content"]
    assert media["type"] == "image_url" and media["image_url"]["url"].startswith("data:image/png;base64,")
    assert text == {"type": "text", "text": "What is it?"}
    expect(page.locator("#attachments li")).to_have_count(0)
