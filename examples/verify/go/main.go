package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// maxKeyAge is the time after which a removed key is refused: the max-age of the key set.
const maxKeyAge = 5 * time.Minute

// verifier verifies access tokens. go-oidc fetches the keys again when it meets an unknown key id, but
// otherwise keeps them for ever, so the verifier is replaced when its keys are too old.
type verifier struct {
	provider *oidc.Provider
	config   *oidc.Config

	mutex   sync.Mutex
	current *oidc.IDTokenVerifier
	since   time.Time
}

func (v *verifier) get() *oidc.IDTokenVerifier {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.current == nil || time.Since(v.since) > maxKeyAge {
		v.current = v.provider.VerifierContext(httpContext(), v.config)
		v.since = time.Now()
	}
	return v.current
}

// httpContext carries the HTTP client with which go-oidc fetches the keys.
func httpContext() context.Context {
	return oidc.ClientContext(context.Background(), &http.Client{Timeout: 5 * time.Second})
}

type user struct {
	Sub   string   `json:"sub"`
	Roles []string `json:"roles"`
}

func (v *verifier) me(response http.ResponseWriter, request *http.Request) {
	scheme, raw, found := strings.Cut(request.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		response.Header().Set("WWW-Authenticate", "Bearer")
		response.WriteHeader(http.StatusUnauthorized)
		return
	}
	me := user{Roles: []string{}}
	// The name says ID token, but go-oidc checks what an access token needs too: signature, algorithm,
	// issuer, audience and expiry.
	token, err := v.get().Verify(request.Context(), strings.TrimSpace(raw))
	if err == nil {
		err = token.Claims(&me)
	}
	if err != nil {
		response.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		response.WriteHeader(http.StatusUnauthorized)
		return
	}
	response.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(response).Encode(me)
}

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	provider, err := oidc.NewProvider(httpContext(), environment("ISSUER", "http://localhost:3000"))
	if err != nil {
		log.Fatal(err)
	}
	verifier := &verifier{provider: provider, config: &oidc.Config{
		ClientID: environment("AUDIENCE", "user-service"),
		// Without this list, only RS256 is accepted if the discovery document names no algorithms of ID tokens.
		SupportedSigningAlgs: []string{oidc.ES256, oidc.EdDSA, oidc.RS256},
	}}
	http.HandleFunc("GET /me", verifier.me)
	log.Fatal(http.ListenAndServe(":"+environment("PORT", "8080"), nil))
}
