"""
What requests cost: a kept list of prices, what a user says instead, and exact sums.

Nothing here guesses a price: a model that no row knows has none, and whoever asks is told so. Amounts are
`Decimal`, or whole nano-dollars where they are written down; never floats.
"""
