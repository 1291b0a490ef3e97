"""Texts that were typed at prompts and not entered: stored with a session, and offered once."""

from __future__ import annotations

from tui.state.prompt_texts import LEFT, PREFIX, PendingTexts

STORED = {PREFIX + "filter": ("mem<", LEFT), PREFIX + "write to": ("a.toml", LEFT), "global_batch": ("x", "not a number")}


def test_a_text_is_offered_once() -> None:
    """The prompt of its label gets the text, the next time nothing; a prompt without a text gets none."""
    pending = PendingTexts(STORED)
    assert pending.get("filter") == "mem<" and pending.take("filter") == "mem<" and pending.take("filter") == ""
    assert pending.get("write to") == "a.toml" and pending.take("find") == ""


def test_texts_of_fields_are_not_offered_at_prompts() -> None:
    """Only what was typed at a prompt is listed, and stored again."""
    pending = PendingTexts(STORED)
    assert pending.notice.endswith(": filter, write to")
    assert pending.stored({}) == {key: text for key, text in STORED.items() if key.startswith(PREFIX)}
    assert PendingTexts({}).notice == ""


def test_what_is_being_typed_now_replaces_an_older_text() -> None:
    """Of two texts of a label the newer is stored, and read back."""
    pending = PendingTexts(STORED)
    stored = pending.stored({"filter": "tp=8"})
    assert stored[PREFIX + "filter"] == ("tp=8", LEFT) and PendingTexts(stored).get("filter") == "tp=8"
    pending.put("find", "memory")
    assert PendingTexts(pending.stored({})).get("find") == "memory"
