"""Write the golden sets: ``python -m tests.rules.write_golden``, only for an intended change."""

import json

from rules.library import RuleLibrary
from tests.rules.test_golden import GOLDEN

if __name__ == "__main__":
    library = RuleLibrary()
    for name in library.names:
        text = json.dumps(
            library.resolve_name(name).document, ensure_ascii=False, indent=1, sort_keys=True
        )
        (GOLDEN / f"{name.replace('/', '-')}.json").write_text(text + "\n", "utf-8")
