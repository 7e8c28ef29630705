"""What replies cost, and what that adds up to."""

from __future__ import annotations

from kernelci.protocol.usage import Price, Usage, Used


def test_money_is_told_as_people_write_it_and_small_sums_are_not_lost() -> None:
    price = Price(prompt=2.5, completion=10, cached=1.25)
    costs = [price.of(Usage(prompt_tokens=tokens, completion_tokens=tokens)) for tokens in (1, 3, 7, 10_000)]
    assert costs == [0.0000125, 0.0000375, 0.0000875, 0.125]
    usage, used = Usage(), Used()
    for _ in range(1000):
        usage += Usage(cost=0.000161)
        used += Used(cost=0.000161)
    assert (usage.cost, used.cost) == (0.161, 0.161)
    assert Price(prompt=0.02, completion=0).of(Usage(prompt_tokens=1)) == 0.00000002
    assert Usage().cost is None
