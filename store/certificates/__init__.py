"""The register of certificates, its lists, imports, search and counts."""
