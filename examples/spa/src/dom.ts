// Builds elements and forms. Texts become text nodes, never HTML.
import { Cancelled, Refused } from "./api.js";

export type Child = Node | string;

/** Returns a new element. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value);
  created.append(...children);
  return created;
}

/** Returns the part of `index.html` that a selector finds. */
export function part(selector: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(selector);
  if (found === null) throw new Error(`index.html has no ${selector}`);
  return found;
}

/** Shows a result above the page, and lets screen readers announce it. */
export function announce(text: string): void {
  part("[role=status]").textContent = text;
}

/** Returns a point in time as the reader writes it. */
export function time(iso: string): string {
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** A field of a form. Its name is the member of the request's body, so that errors find it. */
export interface Field {
  name: string;
  label: string;
  autocomplete?: AutoFill;
  type?: "text" | "email" | "password";
  value?: string;
  hint?: string;
  isOptional?: boolean;
}

/** The field of a problem that is about one field without naming it. */
const FIELDS_OF_PROBLEMS: Record<string, string[]> = {
  "wrong-password": ["password", "currentPassword"], "wrong-code": ["code"],
  "email-taken": ["email"], "username-taken": ["username"],
};

let fields = 0;

/** Returns a label, an input, its hint, and the place of its error. */
function fieldParts(field: Field): Child[] {
  const { name, label, autocomplete = "off", type = "text", value = "", hint = "", isOptional } = field;
  const id = `field-${++fields}`;
  const described = { "aria-describedby": `${id}-hint ${id}-error` };
  const input = element("input", { id, name, type, autocomplete, value, ...described });
  input.required = !isOptional;
  return [
    element("label", { for: id }, isOptional ? `${label} (optional)` : label),
    input,
    element("p", { id: `${id}-hint`, class: "hint" }, hint),
    element("p", { id: `${id}-error`, class: "error" }),
  ];
}

/** Returns a form that shows a refusal of `submit` beside the fields, and keeps what was typed. */
export function form(
  inputs: Field[],
  button: string,
  submit: (values: Record<string, string>) => Promise<void>,
  kind: "" | "quiet" | "danger" = "",
): HTMLFormElement {
  const [alert, send] = [element("p", { class: "error", role: "alert" }), element("button", { class: kind }, button)];
  const created = element("form", { novalidate: "" }, alert, ...inputs.flatMap(fieldParts), send);
  created.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (created.ariaBusy === "true") return;
    created.ariaBusy = "true";
    showErrors(created, alert, []);
    announce("");
    try {
      await submit(Object.fromEntries([...new FormData(created)].map(([name, value]) => [name, String(value)])));
    } catch (error) {
      showErrors(created, alert, errorsOf(error));
    } finally {
      created.ariaBusy = "false";
    }
  });
  return created;
}

/** A text, and the names of the fields that it may be about. None: the whole form. */
type FormError = { names: string[]; text: string };

/** Returns what a form shows for an error. */
function errorsOf(error: unknown): FormError[] {
  if (error instanceof Cancelled) return [{ names: [], text: error.message }];
  if (!(error instanceof Refused)) return [{ names: [], text: `The service cannot be reached: ${error}` }];
  const { errors = [], detail } = error.problem;
  if (errors.length === 0) return [{ names: FIELDS_OF_PROBLEMS[error.slug] ?? [], text: detail }];
  // A pointer is such as "#/newEmail".
  return errors.map((each) => ({ names: "pointer" in each ? [each.pointer.slice(2)] : [], text: each.detail }));
}

/** Shows each error beside its field, those of no field above the form, and moves the focus to the first field. */
function showErrors(shown: HTMLFormElement, alert: HTMLElement, errors: FormError[]): void {
  const inputs = [...shown.querySelectorAll("input")];
  for (const input of inputs) {
    const texts = errors.filter(({ names }) => names.includes(input.name)).map(({ text }) => text);
    input.ariaInvalid = String(texts.length > 0);
    shown.querySelector(`#${input.id}-error`)!.textContent = texts.join(" ");
  }
  const others = errors.filter(({ names }) => !inputs.some((input) => names.includes(input.name)));
  alert.textContent = others.map(({ text }) => text).join(" ");
  inputs.find((input) => input.ariaInvalid === "true")?.focus();
}
