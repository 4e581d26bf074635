//! Keyward's data plane: the way of one request, embeddable.
