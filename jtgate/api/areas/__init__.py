"""Operations of the API, one module for each noun; `jtgate.api.app` lists them."""
