import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.heard import Heard
from worldsim.sequence import FIRST_WORD
from worldsim.words import padded


def test_words_are_heard_until_others_are_said_lane_by_lane():
    checkpoint = make_checkpoint()
    network, tokenizer = checkpoint.network, checkpoint.tokenizer
    lanes, heard = torch.arange(2), Heard(network, 2)
    left, ahead = (tokenizer.encode(text) for text in ("turn left", "forward"))

    def say(rows, time):
        text = padded(rows, FIRST_WORD, tokenizer.pad, network.device)
        heard.take(lanes, text, torch.tensor([time, time]))

    def meant(words, age):
        ids = torch.tensor([words])
        said = network.add_up(ids, torch.ones(1, 1, len(words), dtype=torch.bool))[:, 0]
        return network.hear(said, torch.tensor([age]))[0]

    with torch.no_grad():
        say([left, ahead], time=3)
        say([[], left], time=5)
        for lane, (words, age) in enumerate([(left, 3), (left, 1)]):
            now = heard.now(lanes, torch.tensor([6, 6]))[lane]
            torch.testing.assert_close(now, meant(words, age))
