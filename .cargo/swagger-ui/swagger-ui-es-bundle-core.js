// Not part of the page: see .cargo/config.toml.
