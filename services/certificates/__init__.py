"""Certificates: applications, imports, the register, signatures, printing, public enquiries."""
