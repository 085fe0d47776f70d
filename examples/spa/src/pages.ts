// The pages of a user who is signed in. Each loads what it shows, and returns it.
import type { AuditEntry, Session } from "user-service-types/api";
import type { UserService } from "./api.js";
import { type Child, type Field, announce, element, form, time } from "./dom.js";

/** What a page is given: the service, and how to show a page with a result. */
export interface Context {
  service: UserService;
  go(page: string, result?: string): void;
}

export type Page = [title: string, show: (context: Context) => Promise<Child[]>];

export const code: Field = { name: "code", label: "Code", autocomplete: "one-time-code" };

async function home({ service }: Context): Promise<Child[]> {
  const { displayName, username, email, emailVerified } = await service.call("get", "/api/users/me");
  const text = element("p", {}, `You are signed in as ${displayName ?? username} (${email}).`);
  return emailVerified ? [text] : [text, ...confirmHint(service, email)];
}

/** Returns the hint that an email address has to be confirmed, and a button that sends the mail again. */
export function confirmHint(service: UserService, email: string): Child[] {
  const resend = () => service.call("post", "/api/auth/email-verification/resend", { body: { email } })
    .then(() => announce(`A new mail is on its way to ${email}.`));
  const text = `Open the link in the mail to ${email} to confirm your email address.`;
  return [element("p", {}, text), form([], "Send the mail again", resend, "quiet")];
}

async function profile({ service, go }: Context): Promise<Child[]> {
  const { username, version, ...user } = await service.call("get", "/api/users/me");
  const [name, language, zone] = [user.displayName ?? "", user.locale ?? "", user.timezone ?? ""];
  const fields: Field[] = [
    { name: "username", label: "Username", autocomplete: "username", value: username },
    { name: "displayName", label: "Name", autocomplete: "name", value: name, isOptional: true },
    { name: "locale", label: "Language", hint: "Such as en or pt-BR.", value: language, isOptional: true },
    { name: "timezone", label: "Time zone", hint: "Such as Europe/Paris.", value: zone, isOptional: true },
  ];
  const save = async ({ username = "", displayName, locale, timezone }: Record<string, string>) => {
    // Null removes a member.
    const body = { username, displayName: displayName || null, locale: locale || null, timezone: timezone || null };
    await service.call("patch", "/api/users/me", { body, version });
    go("profile", "Your profile is saved.");
  };
  return [form(fields, "Save", save)];
}

async function email({ service, go }: Context): Promise<Child[]> {
  const { email } = await service.call("get", "/api/users/me");
  const field: Field = { name: "newEmail", label: "New email address", type: "email", autocomplete: "email" };
  const change = ({ newEmail = "" }) => service.call("put", "/api/users/me/email", { body: { newEmail } })
    .then(() => go("email", `Open the link in the mail to ${newEmail} to confirm it.`));
  return [element("p", {}, `Your email address is ${email}.`), form([field], "Change", change)];
}

async function password({ service, go }: Context): Promise<Child[]> {
  const fields: Field[] = [
    { name: "currentPassword", label: "Current password", type: "password", autocomplete: "current-password" },
    { name: "newPassword", label: "New password", type: "password", autocomplete: "new-password" },
  ];
  const change = async ({ currentPassword = "", newPassword = "" }) => {
    await service.call("put", "/api/users/me/password", { body: { currentPassword, newPassword } });
    go("password", "Your password is changed. Your other sessions have ended.");
  };
  return [form(fields, "Change", change)];
}

async function sessions({ service, go }: Context): Promise<Child[]> {
  const row = ({ id, current, device, address, lastUsedAt }: Session) => {
    const name = device ?? "Unknown device";
    const text = element("small", {}, [address, `last used ${time(lastUsedAt)}`].filter(Boolean).join(", "));
    const end = () => service.call("delete", "/api/users/me/sessions/{id}", { id })
      .then(() => go("sessions", "The session has ended."));
    return current ? [`${name} (this session)`, text] : [name, text, form([], `End ${name}`, end, "danger")];
  };
  const endOthers = () => service.call("delete", "/api/users/me/sessions")
    .then(() => go("sessions", "All other sessions have ended."));
  const list = await pagedList((at) => service.call("get", "/api/users/me/sessions", at), row);
  return [...list, form([], "End all other sessions", endOthers, "danger")];
}

async function secondFactor({ service, go }: Context): Promise<Child[]> {
  const { enabled, recoveryCodesLeft } = await service.call("get", "/api/users/me/totp");
  const section = element("section");
  const showCodes = ({ recoveryCodes }: { recoveryCodes: string[] }) => {
    const text = "Each signs you in once without your authenticator. Keep them safe: they are shown only now.";
    const items = recoveryCodes.map((each) => element("li", {}, each));
    section.replaceChildren(element("h2", {}, "Recovery codes"), element("p", {}, text), element("ul", {}, ...items));
    announce("Two-factor authentication is on. Keep your recovery codes.");
  };
  const setUp = async () => {
    const { secret, qrCodeSvg } = await service.call("post", "/api/users/me/totp", { body: {} });
    const src = `data:image/svg+xml,${encodeURIComponent(qrCodeSvg)}`;
    const text = element("p", {}, "Scan the QR code, or enter this secret: ", element("code", {}, secret));
    const confirm = async ({ code = "" }) =>
      showCodes(await service.call("post", "/api/users/me/totp/confirm", { body: { code } }));
    section.replaceChildren(text, element("img", { src, alt: "QR code" }), form([code], "Confirm", confirm));
    section.querySelector("input")?.focus();
  };
  const renew = async () => showCodes(await service.call("post", "/api/users/me/totp/recovery-codes", { body: {} }));
  const turnOff = () => service.call("post", "/api/users/me/totp/remove", { body: {} })
    .then(() => go("second-factor", "Two-factor authentication is off."));
  const text = enabled ? `It is on. Recovery codes left: ${recoveryCodesLeft ?? 0}.` : "It is off.";
  const changes = [form([], "New recovery codes", renew), form([], "Turn off", turnOff, "danger")];
  section.append(element("p", {}, text), ...(enabled ? changes : [form([], "Set up", setUp)]));
  return [section];
}

async function history({ service }: Context): Promise<Child[]> {
  const row = ({ type, at, actor, address }: AuditEntry) =>
    [type, element("small", {}, [time(at), actor, address].filter(Boolean).join(", "))];
  return pagedList((at) => service.call("get", "/api/users/me/audit", at), row);
}

/** Returns a list, and a button that appends its next page as long as there is one. */
async function pagedList<T>(
  load: (at: { cursor?: string }) => Promise<{ items: T[]; nextCursor?: string | null }>,
  row: (item: T) => Child[],
): Promise<Child[]> {
  const [list, more] = [element("ul"), element("div")];
  const append = async (at: { cursor?: string }) => {
    const { items, nextCursor: cursor } = await load(at);
    list.append(...items.map((item) => element("li", {}, ...row(item))));
    more.replaceChildren(...(cursor ? [form([], "Show more", () => append({ cursor }), "quiet")] : []));
  };
  await append({});
  return [list, more];
}

async function data({ service, go }: Context): Promise<Child[]> {
  const download = async () => {
    const text = JSON.stringify(await service.call("get", "/api/users/me/export"), null, 2);
    const href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    element("a", { href, download: "account.json" }).click();
    URL.revokeObjectURL(href);
    announce("Your data is downloaded.");
  };
  const remove = () => service.call("post", "/api/users/me/delete", { body: {} })
    .then(() => go("sign-in", "Your account is deleted."));
  const summary = element("summary", {}, "Delete the account");
  const deletion = element("details", {}, summary, form([], "Delete everything for ever", remove, "danger"));
  return [form([], "Download my data", download), deletion];
}

export const PAGES: Record<string, Page> = {
  account: ["Your account", home],
  profile: ["Profile", profile],
  email: ["Email address", email], password: ["Password", password],
  sessions: ["Sessions", sessions],
  "second-factor": ["Two-factor authentication", secondFactor],
  history: ["History", history],
  data: ["Your data", data],
};
