from tests.rules.conftest import folder, library

__all__ = ["folder", "library"]
