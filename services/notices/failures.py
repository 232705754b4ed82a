"""Why a notice did not reach an address, in words that hold no secret."""


class NotDelivered(Exception):
    """An attempt came to nothing; ``str()`` says why, in Chinese. Another may succeed."""


class Refused(NotDelivered):
    """No other attempt would succeed until somebody changes something."""


class Unaddressed(NotDelivered):
    """Nobody has said where to send it."""
