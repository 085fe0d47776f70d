import os
from typing import Annotated

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

ISSUER = os.environ.get("ISSUER", "http://localhost:3000")
AUDIENCE = os.environ.get("AUDIENCE", "user-service")
PORT = int(os.environ.get("PORT", "8080"))

keys = jwt.PyJWKClient(
    f"{ISSUER}/.well-known/jwks.json",
    lifespan=300,  # A removed key is refused after this time at the latest: the max-age of the key set.
    cooldown_duration=30,  # An unknown key id fetches the keys again, at most this often.
    timeout=5,
)
bearer = HTTPBearer(auto_error=False)


# Not `async`: FastAPI runs it in a thread, because fetching the keys blocks.
def claims(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> dict:
    """Returns the claims of a valid access token."""
    if credentials is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    try:
        return jwt.decode(
            credentials.credentials,
            keys.get_signing_key_from_jwt(credentials.credentials),
            algorithms=["ES256", "EdDSA", "RS256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.PyJWKClientConnectionError as error:
        # Without the keys no token can be judged: this is not the client's fault.
        raise HTTPException(503) from error
    except jwt.PyJWTError as error:
        raise HTTPException(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from error


app = FastAPI()


@app.get("/me")
def me(user: Annotated[dict, Depends(claims)]) -> dict:
    return {"sub": user["sub"], "roles": user.get("roles", [])}


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=PORT)
