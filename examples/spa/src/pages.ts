// The pages of a user who is signed in. Each is a function that loads what it shows, and returns it.
import type { AuditEntry, Session, User } from "user-service-types/api";
import type { UserService } from "./api.js";
import { type Child, type Field, announce, element, form, time } from "./dom.js";

/** What a page is given: the service, and how to show a page with a result. */
export interface Context {
  service: UserService;
  go(page: string, result?: string): void;
}

export interface Page {
  title: string;
  show(context: Context): Promise<Child[]>;
}

const currentPassword: Field = {
  name: "currentPassword", label: "Current password", type: "password", autocomplete: "current-password",
};
const newPassword: Field = {
  name: "newPassword", label: "New password", type: "password", autocomplete: "new-password",
};
export const code: Field = { name: "code", label: "Code", autocomplete: "one-time-code" };

const home: Page = {
  title: "Your account",
  async show({ service }) {
    const user = await service.call("get", "/api/users/me");
    const greeting = `You are signed in as ${user.displayName ?? user.username} (${user.email}).`;
    return user.emailVerified ? [greeting] : [greeting, ...confirmHint(service, user.email)];
  },
};

/** Returns the hint that an email address has to be confirmed, and a button that sends the mail again. */
export function confirmHint(service: UserService, email: string): Child[] {
  const resend = async () => {
    await service.call("post", "/api/auth/email-verification/resend", { body: { email } });
    announce(`A new mail is on its way to ${email}.`);
  };
  return [element("p", {}, `Open the link in the mail to ${email} to confirm your email address.`),
    form([], "Send the mail again", resend, "quiet")];
}

const profile: Page = {
  title: "Profile",
  async show({ service, go }) {
    const user = await service.call("get", "/api/users/me");
    return [
      form(profileFields(user), "Save", async ({ username = "", displayName, locale, timezone }) => {
        // Null removes what an empty field had.
        const body = { username, displayName: displayName || null, locale: locale || null, timezone: timezone || null };
        await service.call("patch", "/api/users/me", { body, version: user.version });
        go("profile", "Your profile is saved.");
      }),
    ];
  },
};

function profileFields({ username, displayName, locale, timezone }: User): Field[] {
  return [
    { name: "username", label: "Username", autocomplete: "username", value: username },
    { name: "displayName", label: "Name", autocomplete: "name", value: displayName ?? "", isOptional: true },
    { name: "locale", label: "Language", autocomplete: "language", value: locale ?? "", isOptional: true, hint: "Such as en or pt-BR." },
    { name: "timezone", label: "Time zone", autocomplete: "off", value: timezone ?? "", isOptional: true, hint: "Such as Europe/Paris." },
  ];
}

const email: Page = {
  title: "Email address",
  async show({ service, go }) {
    const user = await service.call("get", "/api/users/me");
    const field: Field = { name: "newEmail", label: "New email address", type: "email", autocomplete: "email" };
    return [
      element("p", {}, `Your email address is ${user.email}.`),
      form([field], "Change", async ({ newEmail = "" }) => {
        await service.call("put", "/api/users/me/email", { body: { newEmail } });
        go("email", `Open the link in the mail to ${newEmail} to confirm it.`);
      }),
    ];
  },
};

const password: Page = {
  title: "Password",
  async show({ service, go }) {
    return [
      form([currentPassword, newPassword], "Change", async ({ currentPassword = "", newPassword = "" }) => {
        await service.call("put", "/api/users/me/password", { body: { currentPassword, newPassword } });
        go("password", "Your password is changed. Your other sessions have ended.");
      }),
    ];
  },
};

const sessions: Page = {
  title: "Sessions",
  async show({ service, go }) {
    const row = ({ id, current, device, address, lastUsedAt }: Session) => {
      const name = device ?? "Unknown device";
      const text = element("small", {}, [address, `last used ${time(lastUsedAt)}`].filter(Boolean).join(", "));
      const end = form([], `End the session on ${name}`, async () => {
        await service.call("delete", "/api/users/me/sessions/{id}", { id });
        go("sessions", "The session has ended.");
      }, "danger");
      return current ? [`${name} (this session)`, text] : [name, text, end];
    };
    const endOthers = async () => {
      await service.call("delete", "/api/users/me/sessions");
      go("sessions", "All other sessions have ended.");
    };
    const list = await pagedList((at) => service.call("get", "/api/users/me/sessions", at), row);
    return [...list, form([], "End all other sessions", endOthers, "danger")];
  },
};

const secondFactor: Page = {
  title: "Two-factor authentication",
  async show({ service, go }) {
    const { enabled, recoveryCodesLeft } = await service.call("get", "/api/users/me/totp");
    const place = element("section");
    const codes = (texts: string[]) => {
      place.replaceChildren(element("h2", {}, "Recovery codes"),
        element("p", {}, "Each signs you in once without your authenticator. They are shown only now: keep them in a safe place."),
        element("ul", { class: "codes" }, ...texts.map((text) => element("li", {}, text))));
      announce("Two-factor authentication is on. Keep your recovery codes.");
    };
    const start = async () => {
      const { secret, qrCodeSvg } = await service.call("post", "/api/users/me/totp", { body: {} });
      const image = element("img", { src: `data:image/svg+xml,${encodeURIComponent(qrCodeSvg)}`, alt: "QR code of the secret" });
      const confirm = form([code], "Confirm", async ({ code = "" }) => {
        codes((await service.call("post", "/api/users/me/totp/confirm", { body: { code } })).recoveryCodes);
      });
      place.replaceChildren(element("p", {}, "Scan the QR code with your authenticator, or enter the secret."), image,
        element("p", {}, element("code", {}, secret)), confirm);
      confirm.querySelector("input")?.focus();
    };
    const renew = async () => {
      codes((await service.call("post", "/api/users/me/totp/recovery-codes", { body: {} })).recoveryCodes);
    };
    const remove = async () => {
      await service.call("post", "/api/users/me/totp/remove", { body: {} });
      go("second-factor", "Two-factor authentication is off.");
    };
    place.append(...(enabled
      ? [element("p", {}, `It is on. ${recoveryCodesLeft ?? 0} recovery codes are left.`),
        form([], "New recovery codes", renew), form([], "Turn off", remove, "danger")]
      : [element("p", {}, "It is off."), form([], "Set up", start)]));
    return [place];
  },
};

const history: Page = {
  title: "History",
  show({ service }) {
    const row = ({ type, at, actor, address }: AuditEntry) =>
      [type, element("small", {}, [time(at), actor, address].filter(Boolean).join(", "))];
    return pagedList((at) => service.call("get", "/api/users/me/audit", at), row);
  },
};

/** Returns a list, and a button that appends its next page as long as there is one. */
async function pagedList<T>(
  load: (at: { cursor?: string }) => Promise<{ items: T[]; nextCursor?: string | null }>,
  row: (item: T) => Child[],
): Promise<Child[]> {
  const [list, more] = [element("ul"), element("div")];
  const append = async (at: { cursor?: string }) => {
    const { items, nextCursor } = await load(at);
    list.append(...items.map((item) => element("li", {}, ...row(item))));
    more.replaceChildren(...(nextCursor ? [form([], "Show more", () => append({ cursor: nextCursor }), "quiet")] : []));
  };
  await append({});
  return [list, more];
}

const data: Page = {
  title: "Your data",
  async show({ service, go }) {
    const download = async () => {
      const text = JSON.stringify(await service.call("get", "/api/users/me/export"), null, 2);
      const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      element("a", { href: url, download: "account.json" }).click();
      URL.revokeObjectURL(url);
      announce("Your data is downloaded.");
    };
    const remove = async () => {
      await service.call("post", "/api/users/me/delete", { body: {} });
      go("sign-in", "Your account is deleted.");
    };
    const confirmed = form([], "Delete my account for ever", remove, "danger");
    return [form([], "Download my data", download), element("h2", {}, "Delete the account"),
      element("details", {}, element("summary", {}, "I no longer want my account"), confirmed)];
  },
};

export const PAGES: Record<string, Page> = {
  account: home, profile, email, password, sessions, "second-factor": secondFactor, history, data,
};
