// Starts the application: shows the page that the fragment of the address names, and asks for the user where needed.
import type { AuthenticationFactor } from "user-service-types/api";
import { Cancelled, Refused, UserService } from "./api.js";
import { type Child, type Field, announce, element, form, part } from "./dom.js";
import { type Context, PAGES, type Page, code, confirmHint } from "./pages.js";

const password: Field = { name: "password", label: "Password", type: "password", autocomplete: "current-password" };
const VISITOR_PAGES: Record<string, Page> = {
  "sign-in": ["Sign in", signIn], register: ["Create an account", register],
};

async function signIn({ service, go }: Context): Promise<Child[]> {
  const identifier: Field = { name: "identifier", label: "Email address or username", autocomplete: "username" };
  const submit = async ({ identifier = "", password = "" }) => {
    try {
      await service.signIn(identifier, password);
      go("account");
    } catch (error) {
      if (!(error instanceof Refused) || !error.problem.mfaToken) throw error;
      render("Enter a code", [codeForm(error.problem.mfaToken)]);
    }
  };
  return [form([identifier, password], "Sign in", submit), element("a", { href: "#register" }, "Create an account")];
}

function codeForm(mfaToken: string): Child {
  const field: Field = { ...code, hint: "From your authenticator, or a recovery code." };
  return form([field], "Sign in", ({ code = "" }) => service.signInWithCode(mfaToken, code).then(() => go("account")));
}

async function register({ service }: Context): Promise<Child[]> {
  const fields: Field[] = [
    { name: "username", label: "Username", autocomplete: "username" },
    { name: "email", label: "Email address", type: "email", autocomplete: "email" },
    { ...password, autocomplete: "new-password" },
  ];
  const link = element("a", { href: "#sign-in" }, "Sign in");
  const submit = async ({ username = "", email = "", password = "" }) => {
    await service.call("post", "/api/users", { body: { username, email, password } });
    render("Check your mail", [...confirmHint(service, email), link]);
  };
  return [form(fields, "Create the account", submit), link];
}

/** Shows a page: its heading gets the focus, so that a screen reader begins there. */
function render(title: string, content: Child[]): void {
  const heading = element("h1", { tabindex: "-1" }, title);
  part("main").replaceChildren(heading, ...content);
  document.title = title;
  heading.focus();
}

/** Returns the links of the pages, of which one is open, and the button that ends the session. */
function navigation(open: string): Child[] {
  const links = Object.entries(PAGES).map(([name, [title]]) =>
    element("a", { href: `#${name}`, ...(name === open && { "aria-current": "page" }) }, title));
  const signOut = () => service.signOut().then(() => go("sign-in", "You are signed out."));
  return [...links, form([], "Sign out", signOut, "quiet")];
}

/** Shows the page that the address names, and announces a result. */
async function route(result = ""): Promise<void> {
  const name = location.hash.slice(1) || "account";
  const [title, show] = PAGES[name] ?? VISITOR_PAGES[name] ?? ["Not found", async () => ["There is no such page."]];
  part("nav").replaceChildren(...(name in PAGES ? navigation(name) : []));
  announce(result);
  try {
    const content = await show(context);
    // Another page may have been opened meanwhile.
    if (name === (location.hash.slice(1) || "account")) render(title, content);
  } catch (error) {
    if (error instanceof Cancelled) announce(error.message);
    else render(title, [`This page cannot be shown. ${error}`]);
  }
}

/** Leads to a page, and announces a result there. */
function go(page: string, result = ""): void {
  window.history.pushState(null, "", `#${page}`);
  void route(result);
}

/** Asks for the factors in a dialog, until they are right or the user gives up. */
function confirmIdentity(required: AuthenticationFactor[]): Promise<boolean> {
  const fields = required.includes("second-factor") ? [password, code] : [password];
  const confirm = form(fields, "Confirm", async ({ password = "", code }) => {
    await service.call("post", "/api/auth/reauthenticate", { body: { password, ...(code && { code }) } });
    dialog.close("confirmed");
  });
  const cancel = form([], "Cancel", async () => dialog.close(), "quiet");
  const heading = element("h2", { id: "confirm-identity" }, "Confirm that it is you");
  const dialog = element("dialog", { "aria-labelledby": heading.id }, heading, confirm, cancel);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(dialog.returnValue === "confirmed");
  }));
}

const { userService } = await (await fetch("/config.json")).json();
const service = new UserService(userService, { confirmIdentity, signedOut: () => go("sign-in") });
const context: Context = { service, go };
addEventListener("popstate", () => void route());
await route();
