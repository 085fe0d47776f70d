import express from 'express'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const { ISSUER = 'http://localhost:3000', AUDIENCE = 'user-service', PORT = 8080 } = process.env

const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`), {
  // A removed key is refused after this time at the latest: the max-age of the key set.
  cacheMaxAge: 5 * 60_000,
  // An unknown key id fetches the keys again, at most this often.
  cooldownDuration: 30_000,
  timeoutDuration: 5_000,
})

// Checks the access token of a request, and keeps its claims as `request.user`.
async function authenticate(request, response, next) {
  const [, token] = /^Bearer +(\S+)$/i.exec(request.get('authorization') ?? '') ?? []
  if (!token) return response.status(401).set('WWW-Authenticate', 'Bearer').end()
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: ISSUER,
      audience: AUDIENCE,
      algorithms: ['ES256', 'EdDSA', 'RS256'],
      requiredClaims: ['sub', 'exp'],
    })
    request.user = payload
  } catch (error) {
    // Without the keys no token can be judged: this is not the client's fault.
    const unavailable = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT']
    if (!(error instanceof errors.JOSEError) || unavailable.includes(error.code)) {
      console.error(error.message)
      return response.status(503).end()
    }
    return response.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').end()
  }
  next()
}

const app = express()

app.get('/me', authenticate, (request, response) => {
  response.json({ sub: request.user.sub, roles: request.user.roles ?? [] })
})

app.listen(PORT)
