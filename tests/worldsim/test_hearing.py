import torch

from worldsim.hearing import AGES, Hearing


def awake(width=8):
    """One that hears something else in everything."""
    torch.manual_seed(0)
    hearing = Hearing(width)
    for parameter in hearing.parameters():
        torch.nn.init.normal_(parameter)
    return hearing


def test_before_it_is_trained_what_is_heard_is_the_sum_of_the_words():
    said, age = torch.randn(2, 3, 8), torch.tensor([[0, 1, 2], [3, 4, 20]])
    assert torch.equal(Hearing(8)(said, age), said)


def test_who_says_nothing_is_not_heard():
    silent = torch.zeros(1, 3, 8, requires_grad=True)
    heard = awake()(silent, torch.tensor([[0, 1, 40]]))
    assert torch.equal(heard, silent)
    heard.sum().backward()
    assert torch.isfinite(silent.grad).all()


def test_what_is_heard_depends_on_how_long_ago_it_was_said_up_to_an_age():
    said = torch.randn(8).expand(AGES + 5, 8)
    heard = awake()(said, torch.arange(AGES + 5))
    assert len(heard[: AGES + 1].unique(dim=0)) == AGES + 1
    assert len(heard[AGES:].unique(dim=0)) == 1


def test_twice_the_words_are_heard_twice_as_much():
    said, age = torch.randn(4, 8), torch.arange(4)
    torch.testing.assert_close(awake()(2 * said, age), 2 * awake()(said, age))
