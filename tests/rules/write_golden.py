"""Write the golden sets: ``python -m tests.rules.write_golden``, only for an intended change."""

import json

from rules.certificates.certificates import resolve_certificates
from rules.file.library import RuleLibrary
from tests.rules.test_golden import GOLDEN

if __name__ == "__main__":
    library = RuleLibrary()
    documents = {name: library.resolve_name(name).document for name in library.names}
    for name in library.certificate_names:
        documents[name] = resolve_certificates(library, int(name[:4])).document
    for name, document in documents.items():
        text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)
        (GOLDEN / f"{name.replace('/', '-')}.json").write_text(text + "\n", "utf-8")
