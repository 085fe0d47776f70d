// Calls the user service in cookie mode: the access token is only in memory, the refresh token in a cookie that no
// script can read.
import type { AuthenticationFactor, Problem, User, paths } from "user-service-types/api";

/** A request, one with a new access token, one after the identity is confirmed, and one with another access token. */
const MAX_ATTEMPTS = 4;

type Method = "get" | "post" | "put" | "patch" | "delete";
type Path<M extends Method> = { [P in keyof paths]: paths[P][M] extends object ? P : never }[keyof paths];
type Body<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? B : never;
type Result<O> = O extends { responses: { 200: { content: { "application/json": infer R } } } } ? R : undefined;

/** What else belongs to a request: its body, the `{id}` of its path, its query, the version that it changes. */
export type Options<B> = { body?: B; id?: string; cursor?: string; version?: number };

/** A response that is an error: the problem says why (RFC 9457). */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }

  /** Returns the last part of the problem type, such as `wrong-password`. */
  get slug(): string {
    return this.problem.type.split("/").pop() ?? "";
  }
}

/** The user asked for something, and then did not confirm the identity. */
export class Cancelled extends Error {}

/** What the application does when the service asks for the user. */
export interface Interaction {
  /** Asks for these factors and gives them to `reauthenticate`. Returns whether the user did. */
  confirmIdentity(required: AuthenticationFactor[]): Promise<boolean>;
  /** The session has ended. */
  signedOut(): void;
}

export class UserService {
  #accessToken: string | undefined;
  #refresh: Promise<boolean> | undefined;

  constructor(readonly base: string, readonly interaction: Interaction) {}

  /** Signs in. Throws `Refused` with `mfa-required` and an `mfaToken` if the second factor is on. */
  signIn(identifier: string, password: string): Promise<User> {
    return this.#start("/api/auth/login", { identifier, password, cookie: true });
  }

  /** Signs in with a code of the authenticator, or a recovery code. */
  signInWithCode(mfaToken: string, code: string): Promise<User> {
    return this.#start("/api/auth/login/totp", { mfaToken, code, cookie: true });
  }

  /** Continues the session of the cookie. Returns false without one. Only one refresh is in flight. */
  resume(): Promise<boolean> {
    this.#refresh ??= this.#start("/api/auth/refresh", {})
      .then(() => true)
      .catch((error: unknown) => {
        if (error instanceof Refused && error.problem.status === 401) return false;
        throw error;
      })
      .finally(() => (this.#refresh = undefined));
    return this.#refresh;
  }

  /** Ends the session. */
  async signOut(): Promise<void> {
    await this.#send("post", "/api/auth/logout", { body: {} });
    this.#accessToken = undefined;
  }

  /** Calls an endpoint. Sends the request again after a new access token, or a confirmed identity. */
  async call<M extends Method, P extends Path<M>, O = paths[P][M]>(method: M, path: P, given: Options<Body<O>> = {}) {
    for (let left = MAX_ATTEMPTS; ; left--) {
      try {
        return (await this.#send(method, path, given)) as Result<O>;
      } catch (error) {
        if (left === 1 || !(error instanceof Refused) || !(await this.#resolve(error))) throw error;
      }
    }
  }

  /** Does what a refused request lacks. Returns false if nothing can be done. */
  async #resolve({ slug, problem }: Refused): Promise<boolean> {
    if (problem.status === 401) {
      if (await this.resume()) return true;
      this.interaction.signedOut();
      throw new Cancelled("Please sign in.");
    }
    if (slug !== "reauthentication-required") return false;
    if (await this.interaction.confirmIdentity(problem.required ?? ["password"])) return true;
    throw new Cancelled("Nothing was changed.");
  }

  async #start(path: string, body: object): Promise<User> {
    const { accessToken, user } = await this.#send("post", path, { body });
    this.#accessToken = accessToken;
    return user;
  }

  async #send(method: Method, path: string, { body, id = "", cursor, version }: Options<unknown>): Promise<any> {
    const url = new URL(path.replace("{id}", encodeURIComponent(id)), this.base);
    if (cursor !== undefined) url.searchParams.set("cursor", cursor);
    const headers = new Headers(body === undefined ? {} : { "content-type": "application/json" });
    if (version !== undefined) headers.set("if-match", `"${version}"`);
    if (this.#accessToken !== undefined) headers.set("authorization", `Bearer ${this.#accessToken}`);
    // Only these endpoints use the cookie.
    const credentials = /^\/api\/auth\/(login|refresh|logout)/.test(path) ? "include" : "omit";
    const content = body === undefined ? null : JSON.stringify(body);
    const response = await fetch(url, { method: method.toUpperCase(), headers, body: content, credentials });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json");
    if (response.ok) return isJson ? JSON.parse(text) : undefined;
    const { status, statusText: title } = response;
    throw new Refused(isJson ? JSON.parse(text) : { type: "", title, status, detail: `The response is ${status}.` });
  }
}
