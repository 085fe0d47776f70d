import express from 'express'
import jwks from 'jwks-rsa'
import passport from 'passport'
import { ExtractJwt, Strategy } from 'passport-jwt'

const { ISSUER = 'http://localhost:3000', AUDIENCE = 'user-service', PORT = 8080 } = process.env

passport.use(
  new Strategy(
    {
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: jwks.passportJwtSecret({
        jwksUri: `${ISSUER}/.well-known/jwks.json`,
        // Each key has its own age, and a removed key is refused after this time at the latest.
        cache: true,
        cacheMaxAge: 5 * 60_000,
        // An unknown key id fetches the keys, at most this often.
        rateLimit: true,
        jwksRequestsPerMinute: 10,
        timeout: 5_000,
      }),
      issuer: ISSUER,
      audience: AUDIENCE,
      // jsonwebtoken, which passport-jwt uses, does not know EdDSA.
      algorithms: ['ES256', 'RS256'],
    },
    // jsonwebtoken accepts a token without expiry. The user service issues none.
    (claims, done) => done(null, claims.sub && claims.exp ? claims : false),
  ),
)

const app = express()

app.get('/me', passport.authenticate('jwt', { session: false }), (request, response) => {
  response.json({ sub: request.user.sub, roles: request.user.roles ?? [] })
})

app.listen(PORT)
