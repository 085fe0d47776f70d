// Starts the application: signs the user in, and shows the page that the fragment of the address names.
import type { AuthenticationFactor } from "user-service-types/api";
import { Refused, UserService } from "./api.js";
import { type Child, type Field, announce, element, form, part } from "./dom.js";
import { type Context, PAGES, type Page, code, confirmHint } from "./pages.js";

const password: Field = { name: "password", label: "Password", type: "password", autocomplete: "current-password" };

const signIn: Page = {
  title: "Sign in",
  async show({ service, go }) {
    const identifier: Field = { name: "identifier", label: "Email address or username", autocomplete: "username" };
    return [
      form([identifier, password], "Sign in", async ({ identifier = "", password = "" }) => {
        try {
          await service.signIn(identifier, password);
          go("account");
        } catch (error) {
          if (!(error instanceof Refused) || !error.problem.mfaToken) throw error;
          render("Enter a code", [codeForm(context, error.problem.mfaToken)]);
        }
      }),
      element("p", {}, element("a", { href: "#register" }, "Create an account")),
    ];
  },
};

function codeForm({ service, go }: Context, mfaToken: string): Child {
  const field: Field = { ...code, hint: "From your authenticator, or a recovery code." };
  return form([field], "Sign in", async ({ code = "" }) => {
    await service.signInWithCode(mfaToken, code);
    go("account");
  });
}

const register: Page = {
  title: "Create an account",
  async show({ service }) {
    const fields: Field[] = [
      { name: "username", label: "Username", autocomplete: "username" },
      { name: "email", label: "Email address", type: "email", autocomplete: "email" },
      { ...password, autocomplete: "new-password" },
    ];
    return [
      form(fields, "Create the account", async ({ username = "", email = "", password = "" }) => {
        await service.call("post", "/api/users", { body: { username, email, password } });
        render("Check your mail", [...confirmHint(service, email), element("a", { href: "#sign-in" }, "Sign in")]);
      }),
      element("p", {}, element("a", { href: "#sign-in" }, "Sign in")),
    ];
  },
};

const VISITOR_PAGES: Record<string, Page> = { "sign-in": signIn, register };

/** Shows a page: its heading gets the focus, so that a screen reader begins there. */
function render(title: string, content: Child[]): void {
  const heading = element("h1", { tabindex: "-1" }, title);
  part("main").replaceChildren(heading, ...content);
  document.title = title;
  heading.focus();
}

/** Shows the links of the pages, and which is open. */
function renderNavigation(open: string, { service }: Context): void {
  const links = Object.entries(PAGES).map(([name, { title }]) =>
    element("a", { href: `#${name}`, ...(name === open ? { "aria-current": "page" } : {}) }, title));
  part("nav").replaceChildren(...(open in PAGES ? [...links, form([], "Sign out", () => service.signOut(), "quiet")] : []));
}

/** Shows the page that the address names. */
async function route(result = ""): Promise<void> {
  const name = location.hash.slice(1) || "account";
  const page = PAGES[name] ?? VISITOR_PAGES[name] ?? signIn;
  renderNavigation(name, context);
  try {
    const content = await page.show(context);
    // Another page may have been opened meanwhile.
    if (name === (location.hash.slice(1) || "account")) render(page.title, content);
    announce(result);
  } catch (error) {
    announce(error instanceof Error ? error.message : String(error));
  }
}

/** Asks for the factors in a dialog, until they are right or the user gives up. */
function confirmIdentity(required: AuthenticationFactor[]): Promise<boolean> {
  return new Promise((resolve) => {
    const fields = required.includes("second-factor") ? [password, code] : [password];
    const dialog: HTMLDialogElement = element("dialog", { "aria-labelledby": "confirm-identity" },
      element("h2", { id: "confirm-identity" }, "Confirm that it is you"),
      form(fields, "Confirm", async ({ password = "", code }) => {
        const body = code === undefined ? { password } : { password, code };
        await service.call("post", "/api/auth/reauthenticate", { body });
        dialog.close("confirmed");
      }),
      form([], "Cancel", async () => dialog.close(), "quiet"));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "confirmed");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Leads to a page, and announces a result there. */
function go(page: string, result = ""): void {
  history.pushState(null, "", `#${page}`);
  void route(result);
}

const { userService } = (await (await fetch("/config.json")).json()) as { userService: string };
const service = new UserService(userService, { confirmIdentity, signedOut: () => go("sign-in", "You are signed out.") });
const context: Context = { service, go };

addEventListener("popstate", () => void route());
try {
  const isVisitor = location.hash.slice(1) in VISITOR_PAGES;
  if (isVisitor || (await service.resume())) await route();
  else go("sign-in");
} catch (error) {
  render("Your account", [element("p", { class: "error", role: "alert" }, `The service cannot be reached: ${error}`)]);
}
