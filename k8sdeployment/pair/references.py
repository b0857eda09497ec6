"""What every part of the SNOPair is, and the parts that name a Secret: which one, and which keys of it."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from k8sdeployment.pair.values import Key, Subdomain


class Part(BaseModel):
    """A part of the CR: immutable, camelCase outside, and no field that nobody reads."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, hide_input_in_errors=True,
        use_attribute_docstrings=True
    )


class SecretRef(Part):
    """A Secret in the pair's own namespace, and the key in it that holds the value."""

    name: Subdomain
    """Name of the Secret."""
    key: Key = "password"
    """The key that holds the value."""


class PairSecretRef(SecretRef):
    """The Secret with the pair's own keys: Corosync's under `key`, and `hacluster` for pcsd."""

    key: Key = "authkey"
    """The key that holds Corosync's authkey."""


class AuthorityRef(SecretRef):
    """The Secret with certificate authorities."""

    key: Key = "ca.crt"
    """The key that holds the certificates, as PEM."""


class KnownHostsRef(SecretRef):
    """The Secret with host keys."""

    key: Key = "known_hosts"
    """The key that holds the host keys, in the lines of ssh's known_hosts."""


class CertificatesRef(Part):
    """A Secret in the pair's own namespace that holds an NSS database: cert9.db, key4.db and pkcs11.txt."""

    name: Subdomain
    """Name of the Secret."""
