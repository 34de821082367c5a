import pytest

from tests.worldsim.tiny import without_marks
from worldsim.errors import WorldsimError
from worldsim.text import DEPTHS, MAX_SENTENCE_TOKENS, REWARD_BINS, TALK, TextTokenizer

CORPUS = ["turn left", "walk to the green torch", "forward turn right", "drive 20 metres"] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return TextTokenizer.train(CORPUS, 400)


@pytest.fixture(scope="module")
def marks(tokenizer):
    fixed = [tokenizer.pad, tokenizer.begin, tokenizer.frame, tokenizer.frame_end]
    return set(fixed + tokenizer.answer_ids)


@pytest.mark.parametrize(
    "text",
    [
        "turn left", "walk to door 17", "steer=+0.35 gas=0.80", "9 lives", "日本語 עברית 😀👩‍🚀",
        "e\u0301 ÿ ñ", "two  spaces", "tab\tand\nline", "\x00", "ＦＵＬＬ ½", "don't!",
    ],
)  # fmt: skip
def test_any_text_comes_back_as_it_was(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_digits_stand_alone_and_cost_one_token_each(tokenizer):
    one = {digit: tokenizer.encode(f"a{digit}")[-1] for digit in "0123456789"}
    assert tokenizer.encode("a2027")[-4:] == [one[d] for d in "2027"]
    assert len(tokenizer.encode("steer=+0.35 gas=0.80")) <= MAX_SENTENCE_TOKENS


@pytest.mark.parametrize("mark", ["<pad>", "<text>", "<frame>", "</frame>", "<reward +1>"])
def test_a_mark_that_a_person_types_is_not_a_mark(tokenizer, marks, mark):
    assert not marks & set(tokenizer.encode(f"go {mark} on {mark}"))


def test_what_is_asked_of_frames_has_marks_of_its_own(tokenizer, marks):
    asked = [tokenizer.mark(name) for name in TALK]
    assert len({*asked, *tokenizer.depth_ids, *marks}) == len(TALK) + len(DEPTHS) + len(marks)
    assert tokenizer.decode([asked[0], *tokenizer.encode("turn left")]) == "turn left"
    assert not set(asked) & set(tokenizer.encode("<ask> <end>"))


def test_distances_are_a_fifth_apart_and_span_a_room():
    ratios = [b / a for a, b in zip(DEPTHS, DEPTHS[1:], strict=False)]
    assert all(1.2 < ratio < 1.22 for ratio in ratios) and DEPTHS[0] < 0.5 and DEPTHS[-1] > 600


def test_an_older_tokenizer_knows_that_it_was_never_asked(tokenizer):
    old = without_marks(tokenizer)
    assert tokenizer.can_talk and not old.can_talk
    for read in (lambda: old.mark(TALK[0]), lambda: old.depth_ids):
        with pytest.raises(WorldsimError, match="trained before frames could be asked about"):
            read()


def test_every_reward_bin_has_its_mark_with_and_without_the_end(tokenizer, marks):
    assert len(marks) == 4 + 2 * len(REWARD_BINS) == 4 + len(tokenizer.answer_ids)
    for place, value in enumerate(REWARD_BINS):
        assert tokenizer.reward_id(value) == tokenizer.answer_ids[place]
        assert tokenizer.reward_id(value, end=True) == tokenizer.answer_ids[place + 13]
    assert tokenizer.reward_id(0.3) == tokenizer.reward_id(0.1)
    assert tokenizer.reward_id(-1e9) == tokenizer.reward_id(-10.0)


def test_marks_are_left_out_when_read_back(tokenizer):
    ids = [tokenizer.begin, *tokenizer.encode("turn left"), tokenizer.frame_end, tokenizer.pad]
    assert tokenizer.decode(ids) == "turn left"


def test_words_never_seen_are_spelled_out_in_no_more_tokens_than_bytes(tokenizer):
    for text in ("xylophone", "日本語", "qwzx 😀"):
        ids = tokenizer.encode_sentence(text)
        assert tokenizer.decode(ids) == text
        assert 2 < len(ids) <= len(f" {text}".encode())
    assert len(tokenizer.encode_sentence("turn")) == 1


def test_a_strange_word_too_long_to_be_spelled_out_is_refused(tokenizer):
    with pytest.raises(WorldsimError, match=r"'zqxj.*too long \(\d+ tokens\): use at most 24"):
        tokenizer.encode_sentence("zqxj" * 10)


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_sentence_is_refused(tokenizer, text):
    with pytest.raises(WorldsimError, match="empty"):
        tokenizer.encode_sentence(text)


def test_an_over_long_sentence_is_refused_with_its_length(tokenizer):
    with pytest.raises(WorldsimError, match=r"too long \(\d+ tokens\): use at most 24"):
        tokenizer.encode_sentence("turn left and then " * 9)


def test_spaces_around_and_between_words_do_not_matter_in_a_sentence(tokenizer):
    assert tokenizer.encode_sentence("  turn \n left ") == tokenizer.encode("turn left")


def test_a_saved_tokenizer_is_the_same_tokenizer(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    again = TextTokenizer.load(tmp_path)
    assert len(again) == len(tokenizer) <= 400
    for text in CORPUS:
        assert again.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize("damage", [None, "", "{", "{}", '{"model": 3}'])
def test_a_damaged_file_is_named(tokenizer, tmp_path, damage):
    tokenizer.save(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.unlink() if damage is None else file.write_text(damage)
    with pytest.raises(WorldsimError, match="tokenizer.json"):
        TextTokenizer.load(tmp_path)


def test_a_tokenizer_of_somebody_else_is_refused(tmp_path):
    from tokenizers import Tokenizer, models

    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(WorldsimError, match="no mark"):
        TextTokenizer.load(tmp_path)


@pytest.mark.parametrize("size", [0, 319, 4097])
def test_a_vocabulary_is_neither_tiny_nor_huge(size):
    with pytest.raises(WorldsimError, match=f"vocab_size={size}"):
        TextTokenizer.train(CORPUS, size)
