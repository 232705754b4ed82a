"""Enforcement (后续处理): what a notice says may follow, proposed by rule, decided by people."""
