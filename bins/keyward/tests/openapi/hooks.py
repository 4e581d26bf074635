"""Keeps schemathesis from taking away what it works with: its own token and the gateway `default`."""

import os

import schemathesis

OWN = os.environ["KEYWARD_TOKEN_ID"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Chains find these in lists. Only reading may go there."""
    parameters = case.path_parameters or {}
    if case.method.upper() != "GET" and parameters.get("id") == OWN:
        parameters["id"] = "0" * len(OWN)
    if case.method.upper() == "DELETE" and parameters.get("gateway") == "default" and "id" not in parameters:
        parameters["gateway"] = "not-there"
