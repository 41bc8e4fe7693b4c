"""
What requests cost: a kept list of prices, what a user says instead, and exact sums.

Nothing here guesses a price: a model that no row knows has none, and whoever asks is told so. Amounts are
`Decimal`, or whole nano-dollars where they are written down; never floats.
"""

from reconciler.pricing.book import LISTED, Book, Told, cost_of, price_of
from reconciler.pricing.estimate import Guess, estimate
from reconciler.pricing.money import NANO, NO_CAP, Cap, dollars, floor, nano, shown
from reconciler.pricing.price import Price, Rates
from reconciler.pricing.quote import Quote, Share
from reconciler.pricing.tokens import Tokens, tokens_of

__all__ = [
    "LISTED",
    "NANO",
    "NO_CAP",
    "Book",
    "Cap",
    "Guess",
    "Price",
    "Quote",
    "Rates",
    "Share",
    "Tokens",
    "Told",
    "cost_of",
    "dollars",
    "estimate",
    "floor",
    "nano",
    "price_of",
    "shown",
    "tokens_of",
]
