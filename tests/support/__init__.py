"""What tests share: a scripted upstream, recorded wire bytes, and a gateway as its own process."""
