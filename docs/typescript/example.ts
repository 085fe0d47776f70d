// What a consumer in TypeScript does with these types. CI compiles it; each @ts-expect-error is a
// mistake that the compiler must find.
import type { Login, Problem, User, paths } from "user-service-types/api";
import type { EventRecord, StateRecord } from "user-service-types/events";

/** A message as Kafka clients return it (here: of kafkajs). */
interface Message {
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers?: Record<string, Uint8Array | undefined>;
}

/** Returns a message as one object: its headers, its key and its value. A tombstone has the value null. */
export function record<T extends EventRecord | StateRecord>({ key, value, headers = {} }: Message): T {
  const text = (bytes: Uint8Array | null | undefined) => new TextDecoder().decode(bytes ?? new Uint8Array());
  const named = Object.entries(headers).map(([name, bytes]) => [name, text(bytes)]);
  return { ...Object.fromEntries(named), key: text(key), value: value && JSON.parse(text(value)) };
}

/** Returns a line for a journal; nothing for a type that does not matter here. */
export function describe(event: EventRecord): string | undefined {
  // @ts-expect-error: not every type has this member
  event.value.newEmail;
  switch (event.ce_type) {
    case "user.email_changed.v1":
      return `${event.key}: ${event.value.oldEmail} is now ${event.value.newEmail}`;
    case "user.roles_changed.v1": {
      const roles: string[] = event.value.roles;
      return `${event.key}: has the roles ${roles.join(", ")}`;
    }
    case "user.logged_in.v1": {
      const method: "password" | "totp" | "recovery-code" | undefined = event.value.methods[0];
      return `${event.key}: signed in with ${method}`;
    }
    // @ts-expect-error: there is no such type
    case "user.promoted.v1":
    // A newer service may publish types that are not in this file: skip and count them.
    default:
      return undefined;
  }
}

/** Applies a state or a tombstone to a copy. The version of a deleted user stays, so that no late record undoes it. */
export function apply(copy: Map<string, StateRecord>, state: StateRecord): void {
  const last = copy.get(state.key);
  if (last === undefined || state.ce_sequence >= last.ce_sequence) copy.set(state.key, state);
}

/** Returns the name to show for a user; nothing for a deleted one. */
export function displayName(state: StateRecord): string | undefined {
  // @ts-expect-error: a tombstone has no value
  state.value.username;
  if (state.value === null) return undefined;
  return state.value.displayName ?? state.value.username;
}

type Responses = paths["/api/auth/login"]["post"]["responses"];

/** Signs in, and returns what the service says for each status. */
export async function signIn(base: string, login: Login): Promise<Responses[200]["content"]["application/json"]> {
  const response = await fetch(new URL("/api/auth/login" satisfies keyof paths, base), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(login),
  });
  if (response.status !== 200) throw new Error(((await response.json()) as Problem).title);
  return response.json();
}

/** Returns whether a user is an administrator. The roles are an open set, also in the API. */
export function isAdmin({ roles }: User): boolean {
  const open: string[] = roles;
  return open.includes("admin");
}
